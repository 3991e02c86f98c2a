"""CIFAR's batches, made in each of their versions, and pickles that must not be run."""

import io
import pickle
import tarfile

import numpy as np
import pytest

from vae_jax import errors
from vae_jax.data import sources

RNG = np.random.default_rng(0)
CLASSES = ["airplane", "automobile", "bird"]
COARSE = 7


def batch(count=4):
    image = RNG.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)
    return image, RNG.integers(0, 3, count)


def rows(image):
    return image.transpose(0, 3, 1, 2).reshape(len(image), -1)


def python_10(image, label):
    content = {b"batch_label": b"x", b"labels": label.tolist(), b"data": rows(image), b"filenames": [b"a.png"] * 4}
    return pickle.dumps(content, protocol=2)


def python_100(image, label):
    content = {b"fine_labels": label.tolist(), b"coarse_labels": [COARSE] * len(label), b"data": rows(image)}
    return pickle.dumps(content, protocol=2)


def binary_10(image, label):
    return np.concatenate([label[:, None].astype(np.uint8), rows(image)], 1).tobytes()


def binary_100(image, label):
    coarse = np.full((len(label), 1), COARSE, np.uint8)
    return np.concatenate([coarse, label[:, None].astype(np.uint8), rows(image)], 1).tobytes()


TEN = [f"data_batch_{i}" for i in range(1, 6)]
VERSIONS = {
    "10 python": (
        TEN,
        "test_batch",
        python_10,
        {"batches.meta": pickle.dumps({b"label_names": [c.encode() for c in CLASSES]}, 2)},
    ),
    "10 binary": (
        [f"{n}.bin" for n in TEN],
        "test_batch.bin",
        binary_10,
        {"batches.meta.txt": "\n".join(CLASSES).encode()},
    ),
    "100 python": (["train"], "test", python_100, {"meta": pickle.dumps({"fine_label_names": CLASSES}, 2)}),
    "100 binary": (["train.bin"], "test.bin", binary_100, {"fine_label_names.txt": "\n".join(CLASSES).encode()}),
}


def contents(version):
    train, test, encode, meta = VERSIONS[version]
    made = {name: batch() for name in [*train, test]}
    return {**{name: encode(*made[name]) for name in made}, **meta}, made


def write(root, files):
    root.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (root / name).write_bytes(content)
    return root


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("form", ["directory", "below", "tar.gz"])
def test_every_version(tmp_path, data_config, version, form):
    files, made = contents(version)
    place = write(tmp_path / "d" / "cifar-batches", files)
    if form == "below":
        place = place.parent
    if form == "tar.gz":
        with tarfile.open(tmp_path / "cifar.tar.gz", "w:gz") as archive:
            archive.add(place, "cifar-batches")
        place = tmp_path / "cifar.tar.gz"
    data = sources.load(data_config(source="cifar", dir=str(place), valid_fraction=0.0))
    *train, test = made.values()
    np.testing.assert_array_equal(data.test["image"], test[0])
    np.testing.assert_array_equal(data.test["label"], test[1])
    by_row = np.argsort([int(name.split("/")[1]) for name in data.train["name"]])
    np.testing.assert_array_equal(data.train["image"][by_row], np.concatenate([image for image, _ in train]))
    np.testing.assert_array_equal(data.train["label"][by_row], np.concatenate([label for _, label in train]))
    assert data.label_names == tuple(CLASSES)


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize(
    "content, words",
    [
        (pickle.dumps({b"data": Bomb(), b"labels": []}), "holds builtins.exec, which is not read"),
        (pickle.dumps({b"data": np.zeros((4, 3072)), b"labels": [0] * 4}, 2), "not of bytes"),
        (pickle.dumps({b"data": np.array([Bomb()], object), b"labels": [0]}, 2), "which is not read|not of bytes"),
        (pickle.dumps({b"labels": [0] * 4}, 2), "damaged"),
        (pickle.dumps({b"data": np.zeros((4, 3072), np.uint8), b"labels": [0] * 3}, 2), "do not belong together"),
        (pickle.dumps({b"data": np.zeros((4, 3000), np.uint8), b"labels": [0] * 4}, 2), "damaged"),
        (b"not a pickle", "damaged"),
        (b"", "damaged"),
    ],
)
def test_pickles_are_not_run(tmp_path, data_config, content, words):
    files, _ = contents("10 python")
    root = write(tmp_path / "d", files | {"data_batch_3": content})
    with pytest.raises(errors.UserError, match=words) as mistake:
        sources.load(data_config(source="cifar", dir=str(root)))
    assert "\n" not in str(mistake.value) and "data_batch_3" in str(mistake.value)


def test_missing_and_damaged_files(tmp_path, data_config):
    files, _ = contents("10 binary")
    del files["data_batch_2.bin"]
    with pytest.raises(errors.UserError, match="has no CIFAR batches: set --config.data.dir"):
        sources.load(data_config(source="cifar", dir=str(write(tmp_path / "a", files))))
    files["data_batch_2.bin"] = b"short"
    with pytest.raises(errors.UserError, match="data_batch_2.bin is damaged"):
        sources.load(data_config(source="cifar", dir=str(write(tmp_path / "b", files))))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(tmp_path / "b", "b")
    (tmp_path / "c.tar.gz").write_bytes(buffer.getvalue()[:-2000])
    with pytest.raises(errors.UserError):
        sources.load(data_config(source="cifar", dir=str(tmp_path / "c.tar.gz")))
