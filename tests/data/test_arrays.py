"""digits, idx and npz: made files, hostile headers, layouts."""

import functools
import gzip
import io
import struct
import zipfile

import numpy as np
import pytest
from sklearn import datasets

from vae_jax import errors
from vae_jax.data import array_files, holdout, sources

# No time in the header: test names hold these bytes, and every worker must find the same names.
compress = functools.partial(gzip.compress, mtime=0)


def test_digits_are_scikit_learns(data_config):
    data = sources.load(data_config(source="digits"))
    assert (len(data.train["image"]), len(data.valid["image"]), data.test) == (1618, 179, None)
    assert data.image_shape == (8, 8, 1) and data.label_names == tuple("0123456789")
    order = np.random.default_rng(0).permutation(1797)
    bunch = datasets.load_digits()
    expected = np.rint(bunch.images[order] / 16 * 255)[..., None]
    found = np.concatenate([data.train["image"], data.valid["image"]])
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(data.valid["label"], bunch.target[order[1618:]])


@pytest.mark.parametrize("share, held_out", [(0.0, 0), (1e-9, 1), (0.25, 449), (1 - 1e-9, 1796)])
def test_a_source_without_a_validation_split_gives_up_the_share_asked_for(data_config, share, held_out):
    data = sources.load(data_config(source="digits", valid_fraction=share))
    assert len(data.train["image"]) == 1797 - held_out
    assert (data.valid is None) == (held_out == 0)
    everything = sources.load(data_config(source="digits", valid_fraction=0.0)).train["image"]
    np.testing.assert_array_equal(data.train["image"], everything[: 1797 - held_out])


def test_shares_count_as_written():
    assert holdout.num_kept(100, 0.29) == 71  # 0.29 * 100 is less than 29 in floating point
    assert holdout.num_kept(1, 0.9) == 1
    assert [holdout.num_kept(n, 0.1) for n in range(2, 5000)] == [n - max(1, n // 10) for n in range(2, 5000)]


def test_arrays_honour_size_and_crop(data_config):
    assert sources.load(data_config(source="digits", image_size=(16, 12))).image_shape == (16, 12, 1)
    with pytest.raises(errors.UserError, match="too small"):
        sources.load(data_config(source="digits", crop="wae140"))


def idx_bytes(array, kind=8):
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def idx_dir(tmp_path):
    rng = np.random.default_rng(1)
    for name, n in (("train", 20), ("t10k", 5)):
        image = rng.integers(0, 256, (n, 4, 3), np.uint8)
        image[:, 0, 0] = np.arange(n)
        for file, array in ((f"{name}-images-idx3-ubyte.gz", image), (f"{name}-labels-idx1-ubyte.gz", image[:, 0, 0])):
            (tmp_path / file).write_bytes(compress(idx_bytes(array)))
    return tmp_path


def test_idx_splits(idx_dir, data_config):
    data = sources.load(data_config(source="idx", dir=str(idx_dir)))
    assert data.image_shape == (4, 3, 1)
    assert [len(s["image"]) for s in (data.train, data.valid, data.test)] == [18, 2, 5]
    for split in (data.train, data.valid, data.test):
        np.testing.assert_array_equal(split["image"][:, 0, 0, 0], split["label"])
    np.testing.assert_array_equal(data.test["label"], np.arange(5))  # official order
    seen = np.concatenate([data.train["label"], data.valid["label"]])
    assert sorted(seen) == list(range(20))


def test_idx_without_gzip(idx_dir, data_config):
    for path in idx_dir.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert len(sources.load(data_config(source="idx", dir=str(idx_dir))).test["image"]) == 5


HUGE = bytes([0, 0, 8, 3]) + struct.pack(">3I", 2**32 - 1, 2**32 - 1, 2**32 - 1)


@pytest.mark.parametrize(
    "data, words",
    [
        (b"not gzip at all", "damaged"),
        (compress(bytes(1000))[:-12], "damaged|not an idx"),
        (compress(b"junk"), "not an idx"),
        (compress(idx_bytes(np.zeros((20, 4, 3), np.float32), kind=13)), "unsigned bytes"),
        (compress(idx_bytes(np.zeros((20, 4, 3), np.uint8))[:-1]), "length"),
        (compress(idx_bytes(np.zeros((20, 4, 3), np.uint8)) + b"x"), "length"),
        (compress(HUGE), "unfolds to"),
        (compress(idx_bytes(np.zeros((19, 4, 3), np.uint8))), "belong together"),
    ],
)
def test_damaged_idx_is_one_line(idx_dir, data_config, data, words):
    (idx_dir / "train-images-idx3-ubyte.gz").write_bytes(data)
    with pytest.raises(errors.UserError, match=words) as mistake:
        sources.load(data_config(source="idx", dir=str(idx_dir)))
    assert "\n" not in str(mistake.value) and "train-images-idx3-ubyte.gz" in str(mistake.value)


def test_missing_idx_files_are_named(idx_dir, data_config):
    (idx_dir / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(errors.UserError, match="lacks t10k-labels-idx1-ubyte.gz: set --config.data.dir"):
        sources.load(data_config(source="idx", dir=str(idx_dir)))


IMAGES = np.arange(10 * 3 * 2, dtype=np.uint8).reshape(10, 3, 2)
LABEL = np.arange(10) % 3
FACTORS = np.linspace(0, 1, 20).reshape(10, 2)


def load_npz(data_config, path, **overrides):
    return sources.load(data_config(source="npz", dir=str(path), **overrides))


def test_npz_of_one_split_gives_up_a_tenth(tmp_path, data_config):
    np.savez(tmp_path / "a.npz", images=IMAGES, label=LABEL, factors=FACTORS, ignored=np.zeros(3))
    data = load_npz(data_config, tmp_path / "a.npz")
    order = np.random.default_rng(0).permutation(10)
    assert data.image_shape == (3, 2, 1) and set(data.train) == {"name", "image", "label", "factors"}
    np.testing.assert_array_equal(data.train["image"][..., 0], IMAGES[order[:9]])
    np.testing.assert_array_equal(data.valid["factors"], FACTORS[order[9:]])


@pytest.mark.parametrize(
    "split", [[0, 0, 0, 1, 1, 2, 0, 0, 0, 0], ["train"] * 3 + ["val", "valid", "test"] + ["train"] * 4]
)
def test_npz_with_a_split_array(tmp_path, data_config, split):
    np.savez_compressed(tmp_path / "a.npz", images=IMAGES, label=LABEL, split=np.array(split))
    data = load_npz(data_config, tmp_path / "a.npz")
    np.testing.assert_array_equal(data.valid["image"][..., 0], IMAGES[3:5])
    np.testing.assert_array_equal(data.test["label"], LABEL[5:6])
    assert len(data.train["image"]) == 7


def test_npz_with_prefixed_keys(tmp_path, data_config):
    np.savez(tmp_path / "a.npz", train_images=IMAGES, train_label=LABEL, valid_images=255 - IMAGES[:4])
    data = load_npz(data_config, tmp_path / "a.npz")
    assert len(data.train["label"]) == 10 and set(data.valid) == {"name", "image"} and data.test is None


def test_npz_files_by_split(tmp_path, data_config):
    np.savez(tmp_path / "train.npz", images=np.stack([IMAGES] * 3, -1))
    np.savez(tmp_path / "valid.npz", images=np.stack([IMAGES] * 3, -1)[:2])
    data = load_npz(data_config, tmp_path)
    assert data.image_shape == (3, 2, 3) and len(data.valid["image"]) == 2


def test_npz_bools_become_black_and_white(tmp_path, data_config):
    np.savez(tmp_path / "a.npz", images=np.asfortranarray(IMAGES % 2 == 0))
    data = load_npz(data_config, tmp_path / "a.npz", duplicates="keep")
    order = np.random.default_rng(0).permutation(10)
    np.testing.assert_array_equal(data.train["image"][..., 0], np.where(IMAGES % 2 == 0, 255, 0)[order[:9]])


class Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


def lying_npy(shape):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue() + bytes(10)


@pytest.mark.parametrize(
    "content, words",
    [
        ({"images": IMAGES / 255}, "must be uint8"),
        ({"images": IMAGES[0]}, "must be uint8"),
        ({"images": IMAGES, "label": LABEL[:9]}, "one row"),
        ({"images": IMAGES, "label": LABEL / 2}, "integers"),
        ({"images": IMAGES, "split": np.zeros(9, int)}, "train, valid or test"),
        ({"images": IMAGES, "split": np.full(10, 7)}, "train, valid or test"),
        ({"images": IMAGES, "split": np.full(10, 1)}, "no training images"),
        ({"images": IMAGES[:0]}, "no training images"),
        ({"pictures": IMAGES}, "no key 'images'.*pictures"),
        ({"images": np.array([Bomb()])}, "Python objects"),
        ({"train_images": IMAGES, "valid_images": IMAGES[:, :2]}, "differ in shape"),
    ],
)
def test_wrong_npz_is_one_line(tmp_path, data_config, content, words):
    np.savez(tmp_path / "a.npz", **content)
    with pytest.raises(errors.UserError, match=words) as mistake:
        load_npz(data_config, tmp_path / "a.npz")
    assert "\n" not in str(mistake.value)


@pytest.mark.parametrize("shape", [(10**6, 10**6, 3), (2, 2, 2), (-2, -5), (2**62, 4, 4)])
def test_headers_that_lie_are_not_believed(tmp_path, data_config, shape):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", lying_npy(shape))
    with pytest.raises(errors.UserError, match="does not fit its 138 bytes"):
        load_npz(data_config, tmp_path / "a.npz")


def test_more_than_the_machine_holds_is_not_unfolded(tmp_path, data_config, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((100, 100, 100), np.uint8))
    monkeypatch.setattr(array_files.os, "sysconf", lambda name: 512)
    with pytest.raises(errors.UserError, match="unfolds to"):
        load_npz(data_config, tmp_path / "a.npz")


def test_corrupt_and_absent_npz(tmp_path, data_config):
    np.savez(tmp_path / "a.npz", images=IMAGES)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[160] ^= 0xFF
    (tmp_path / "flipped.npz").write_bytes(data)
    (tmp_path / "cut.npz").write_bytes(data[:-40])
    for name in ("flipped", "cut"):
        with pytest.raises(errors.UserError, match=f"{name}.npz is not a readable"):
            load_npz(data_config, tmp_path / f"{name}.npz")
    with pytest.raises(errors.UserError, match="set --config.data.dir"):
        load_npz(data_config, tmp_path)
