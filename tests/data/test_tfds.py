"""TFDS: a made data set prepared without TensorFlow, read back through our own decoder."""

import socket
import struct
import sys
import time

import numpy as np
import pytest
from PIL import Image

from vae_jax import errors
from vae_jax.data import sources
from vae_jax.data import tfds as tfds_source
from vae_jax.data.tfds_store import TfdsStore

tfds = pytest.importorskip("tensorflow_datasets")


class Levels(tfds.core.GeneratorBasedBuilder):
    """Flat images whose grey level is their number."""

    VERSION = tfds.core.Version("1.2.0")
    RELEASE_NOTES = {"1.2.0": "First."}

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(4, 6, 3), encoding_format="png"),
            "label": tfds.features.ClassLabel(names=["even", "odd"]),
            "factors": tfds.features.Tensor(shape=(2,), dtype=np.float32),
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(0, 20), "test": self._generate_examples(100, 4)}

    def _generate_examples(self, first, count):
        for i in range(first, first + count):
            image = Image.fromarray(np.full((4, 6, 3), i, np.uint8))
            yield i, {"image": image, "label": i % 2, "factors": np.float32([i, 0.1])}


class Faces(tfds.core.GeneratorBasedBuilder):
    """CelebA's features in small, with an official validation split."""

    name = "celeb_a"
    VERSION = tfds.core.Version("2.1.0")
    RELEASE_NOTES = {"2.1.0": "First."}

    def _info(self):
        features = {
            "image": tfds.features.Image(shape=(218, 178, 3), encoding_format="png"),
            "attributes": {name: np.bool_ for name in ("Bald", "Young")},
        }
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {name: self._generate_examples() for name in ("train", "validation", "test")}

    def _generate_examples(self):
        rows, columns = np.mgrid[:218, :178]
        image = Image.fromarray(np.stack([columns, rows, rows], -1).astype(np.uint8))
        yield 0, {"image": image, "attributes": {"Bald": False, "Young": True}}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")
    for builder in (Levels, Faces):
        builder(data_dir=root, file_format="array_record").download_and_prepare()
    return root


def as_tfrecord(prepared, root):
    """Rewrite the prepared array_record as TFRecord shards, by the format's definition."""
    from array_record.python import array_record_data_source

    source, target = prepared / "levels" / "1.2.0", root / "levels" / "1.2.0"
    target.mkdir(parents=True)
    for path in source.iterdir():
        if "array_record" not in path.name:
            text = path.read_text().replace("array_record", "tfrecord")
            (target / path.name).write_text(text)
            continue
        records = array_record_data_source.ArrayRecordDataSource([str(path)])
        with open(target / path.name.replace("array_record", "tfrecord"), "wb") as out:
            for i in range(len(records)):
                record = records[i]
                out.write(struct.pack("<QI", len(record), 0) + record + struct.pack("<I", 0))
    return root


@pytest.mark.parametrize("file_format", ["array_record", "tfrecord"])
def test_prepared_data_are_read_without_tensorflow(prepared, tmp_path, data_config, file_format):
    root = prepared if file_format == "array_record" else as_tfrecord(prepared, tmp_path / "tfrecord")
    data = sources.load(data_config(source="tfds:levels", dir=str(root)))
    assert data.name == "tfds-levels" and data.image_shape == (4, 6, 3)
    assert data.label_names == ("even", "odd")
    assert [len(s["image"]) for s in (data.train, data.valid, data.test)] == [18, 2, 4]
    for split in (data.train, data.valid, data.test):
        levels = split["image"][:, 0, 0, 0]
        assert (split["image"] == levels[:, None, None, None]).all()
        np.testing.assert_array_equal(split["label"], levels % 2)
        np.testing.assert_array_equal(split["factors"][:, 0], levels)
        assert (split["label"].dtype, split["factors"].dtype) == (np.int32, np.float32)
    seen = np.concatenate([data.train["factors"], data.valid["factors"]])[:, 0]
    assert sorted(seen) == list(range(20))
    store = TfdsStore(tfds_source.find("levels", root))
    order = np.random.default_rng(0).permutation(20)
    assert seen.tolist() == [store.read(f"train/{i}")[1]["factors"][0] for i in order]
    assert sorted(data.test["factors"][:, 0]) == [100, 101, 102, 103]
    assert "tensorflow" not in sys.modules


def test_celeba_falls_back_to_prepared_tfds(prepared, data_config, monkeypatch, tmp_path):
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    data = sources.load(data_config(source="celeba", dir=str(tmp_path), crop="center148"))
    assert data.label_names == ("Bald", "Young") and data.train["label"].tolist() == [[0, 1]]
    assert data.valid["image"].shape == (1, 148, 148, 3) and data.test is not None
    assert data.train["image"][0, 0, 0].tolist() == [15, 35, 35]


def test_names_versions_and_roots(prepared, tmp_path):
    home = prepared / "levels" / "1.2.0"
    assert tfds_source.find("levels", prepared) == home
    assert tfds_source.find("levels:1.2.0", prepared) == home
    assert tfds_source.find("levels:9.9.9", prepared) is None
    assert tfds_source.find("anything", home) == home
    assert tfds_source.find("nonsuch", prepared) is None
    for version in ("1.10.0", "1.9.0"):
        (tmp_path / "a" / version).mkdir(parents=True)
        (tmp_path / "a" / version / "dataset_info.json").write_text("{}")
    assert tfds_source.find("a", tmp_path).name == "1.10.0"


def test_damaged_information_and_parquet_are_the_users(prepared, tmp_path, data_config):
    target = tmp_path / "levels" / "1.2.0"
    target.mkdir(parents=True)
    for name in ("features.json", "dataset_info.json"):
        text = (prepared / "levels" / "1.2.0" / name).read_text()
        (target / name).write_text(text.replace("array_record", "parquet"))
    with pytest.raises(errors.UserError, match="format parquet: prepare it as"):
        sources.load(data_config(source="tfds:levels", dir=str(tmp_path)))
    (target / "dataset_info.json").write_text("{")
    with pytest.raises(errors.UserError, match="not a readable TFDS data set"):
        sources.load(data_config(source="tfds:levels", dir=str(tmp_path)))


def test_damaged_records_are_skipped(prepared, tmp_path, data_config, capsys):
    root = as_tfrecord(prepared, tmp_path / "tfrecord")
    (shard,) = (root / "levels" / "1.2.0").glob("*train*tfrecord*")
    shard.write_bytes(shard.read_bytes()[:-30])
    data = sources.load(data_config(source="tfds:levels", dir=str(root)))
    assert len(data.train["image"]) + len(data.valid["image"]) == 19
    assert "skipped 1 of 24 images: train/19" in capsys.readouterr().err


def test_without_tensorflow_the_extra_is_named(tmp_path, data_config, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(tfds_source.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.UserError, match=r"pip install -e '.\[tfds\]'"):
        sources.load(data_config(source="tfds:mnist"))


def test_a_name_that_tfds_does_not_know(tmp_path, data_config, monkeypatch):
    monkeypatch.setattr(tfds_source.importlib.util, "find_spec", lambda name: True)
    with pytest.raises(errors.UserError, match="knows no data set 'mnits'") as mistake:
        sources.load(data_config(source="tfds:mnits", dir=str(tmp_path)))
    assert "\n" not in str(mistake.value)


def test_the_probe_answers_within_seconds(monkeypatch, never_answers):
    monkeypatch.setattr(tfds_source.urllib.request, "getproxies", dict)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert tfds_source.answers("127.0.0.1", port)
        monkeypatch.setattr(tfds_source.urllib.request, "getproxies", lambda: {"https": f"http://127.0.0.1:{port}"})
        assert tfds_source.answers("host.invalid")
    assert not tfds_source.answers("127.0.0.1", port)
    monkeypatch.setattr(tfds_source.socket, "create_connection", never_answers)
    monkeypatch.setattr(tfds_source, "_PROBE_SECONDS", 0.1)
    start = time.monotonic()
    assert not tfds_source.answers("127.0.0.1", port)
    assert time.monotonic() - start < 5
