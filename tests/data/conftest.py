"""Made images and a data config, for every test of the data room."""

import io
import time

import numpy as np
import pytest
from ml_collections import config_dict
from PIL import Image


@pytest.fixture
def data_config(tmp_path):
    """A function: overrides -> config.data with a cache of its own."""

    def make(**overrides):
        fields = {"source": "", "dir": "", "cache_dir": str(tmp_path / "cache"), "image_size": (), "crop": "none"}
        fields |= {"layout": "auto", "split_file": "", "duplicates": "group", "value_range": (), "axes": ""}
        fields |= {"frames": "first", "valid_fraction": 0.1}
        return config_dict.ConfigDict({**fields, **overrides})

    return make


@pytest.fixture
def encode():
    """A function: Pillow image or array -> the bytes of a file of the given format."""

    def to_bytes(picture, format="PNG", **options):
        if isinstance(picture, np.ndarray):
            picture = Image.fromarray(picture)
        file = io.BytesIO()
        picture.save(file, format, **options)
        return file.getvalue()

    return to_bytes


@pytest.fixture
def coordinates():
    """A function: (height, width) -> uint8 RGB whose red is the column and green the row."""

    def make(height, width):
        rows, columns = np.mgrid[:height, :width]
        return np.stack([columns, rows, np.full_like(rows, 7)], axis=-1).astype(np.uint8)

    return make


@pytest.fixture
def never_answers():
    """In place of socket.create_connection: a name server that does not answer."""

    def connect(*args, **kwargs):
        time.sleep(15)
        raise OSError("timed out")

    return connect
