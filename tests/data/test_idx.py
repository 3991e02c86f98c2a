"""MNIST and its kin under the names and in the directories that unpackers leave."""

import gzip
import struct

import numpy as np
import pytest

from vae_jax import errors
from vae_jax.data import sources

RNG = np.random.default_rng(0)
IMAGE = {
    "train": RNG.integers(0, 256, (20, 4, 3)).astype(np.uint8),
    "t10k": RNG.integers(0, 256, (5, 4, 3)).astype(np.uint8),
}
LABEL = {name: np.arange(len(image), dtype=np.uint8) for name, image in IMAGE.items()}


def idx_bytes(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write(root, pattern="{split}-{kind}-idx{n}-ubyte", test="t10k", suffix=".gz", nested=False):
    for split in IMAGE:
        for kind, n, array in (("images", 3, IMAGE[split]), ("labels", 1, LABEL[split])):
            name = pattern.format(split=test if split == "t10k" else split, kind=kind, n=n)
            path = (root / name / name if nested else root / name).with_name(name + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(gzip.compress(idx_bytes(array)) if suffix else idx_bytes(array))


def check(data, transposed=False):
    images = {name: image.swapaxes(1, 2) if transposed else image for name, image in IMAGE.items()}
    np.testing.assert_array_equal(data.test["image"][..., 0], images["t10k"])
    for split in (data.train, data.valid):
        np.testing.assert_array_equal(split["image"][..., 0], images["train"][split["label"]])
    assert len(data.train["image"]) + len(data.valid["image"]) == 20


NAMES = {
    "official": {},
    "unpacked": {"suffix": ""},
    "dots": {"pattern": "{split}-{kind}.idx{n}-ubyte", "suffix": ""},
    "dots, gzipped": {"pattern": "{split}-{kind}.idx{n}-ubyte"},
    "a directory for each": {"nested": True, "suffix": ""},
    "a prefix": {"pattern": "kmnist-{split}-{kind}-idx{n}-ubyte"},
    "test": {"pattern": "my-{split}-{kind}-idx{n}-ubyte", "test": "test"},
}
PLACES = ["", "MNIST/raw", "archive", "data/FashionMNIST/raw"]


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_names_and_places(tmp_path, data_config, names, place):
    write(tmp_path / place, **NAMES[names])
    check(sources.load(data_config(source="idx", dir=str(tmp_path))))


def test_both_forms_of_a_file_are_one(tmp_path, data_config):
    write(tmp_path)
    write(tmp_path, suffix="")
    check(sources.load(data_config(source="idx", dir=str(tmp_path))))


def test_emnist_is_turned_upright(tmp_path, data_config, capsys):
    write(tmp_path, pattern="emnist-letters-{split}-{kind}-idx{n}-ubyte", test="test")
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65 97\n2 66 98\n")
    data = sources.load(data_config(source="idx", dir=str(tmp_path)))
    check(data, transposed=True)
    assert data.label_names == ("none", "A", "B") and "turned upright" in capsys.readouterr().err


def test_several_data_sets_are_told_apart(tmp_path, data_config):
    for place in ("MNIST/raw", "FashionMNIST/raw"):
        write(tmp_path / place)
    with pytest.raises(errors.UserError, match="several data sets.*FashionMNIST/raw, MNIST/raw"):
        sources.load(data_config(source="idx", dir=str(tmp_path)))
    check(sources.load(data_config(source="idx", dir=str(tmp_path / "MNIST"))))
    raw = tmp_path / "EMNIST" / "raw"
    for kind in ("letters", "digits"):
        write(raw, pattern="emnist-" + kind + "-{split}-{kind}-idx{n}-ubyte", test="test")
    with pytest.raises(errors.UserError, match="several data sets.*emnist-digits, emnist-letters"):
        sources.load(data_config(source="idx", dir=str(raw)))
    check(sources.load(data_config(source="idx", dir=str(raw / "emnist-letters"))), transposed=True)


def test_a_file_that_is_missing_below_is_named(tmp_path, data_config):
    write(tmp_path / "MNIST" / "raw")
    (tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(errors.UserError, match="raw lacks t10k-labels-idx1-ubyte.gz: set --config.data.dir"):
        sources.load(data_config(source="idx", dir=str(tmp_path)))
    with pytest.raises(errors.UserError, match="lacks train-images-idx3-ubyte.gz, train-labels"):
        sources.load(data_config(source="idx", dir=str(tmp_path / "nowhere")))
