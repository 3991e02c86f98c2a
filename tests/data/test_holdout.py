"""Copies of an image: counted, said, and on one side of every split."""

import gzip
import struct

import numpy as np
import pytest
from made_images import levels, write_tree, write_zip

from vae_jax.data import holdout, in_memory, sources

UNIQUE = 30


def copied_tree(make, place):
    """30 images, and the same 30 again in a directory below, as when a folder is copied into itself."""
    names = [f"a/{i}.png" for i in range(UNIQUE)]
    return make(place, [*names, *(f"d/{name}" for name in names)])


def doubled_levels():
    return [i % UNIQUE for i in range(2 * UNIQUE)]


def stack(values):
    return np.array(values, np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)


def load_folder(tmp_path, config):
    root = write_tree(tmp_path / "d", [f"a/{i}.png" for i in range(UNIQUE)])
    write_tree(root, [f"d/a/{i}.png" for i in range(UNIQUE)])
    return sources.load(config(source="folder", dir=str(root)))


def load_zip(tmp_path, config):
    root = tmp_path / "d.zip"
    import zipfile

    write_zip(root, [f"a/{i}.png" for i in range(UNIQUE)])
    with zipfile.ZipFile(root, "a") as archive:
        for name in [info.filename for info in archive.infolist()]:
            archive.writestr(f"copy/{name}", archive.read(name))
    return sources.load(config(source="folder", dir=str(root)))


def load_npz(tmp_path, config):
    np.savez(tmp_path / "a.npz", images=stack(doubled_levels()))
    return sources.load(config(source="npz", dir=str(tmp_path / "a.npz")))


def load_npy(tmp_path, config):
    np.save(tmp_path / "images.npy", stack(doubled_levels()))
    return sources.load(config(source="npz", dir=str(tmp_path / "images.npy")))


def load_python(tmp_path, config):
    return in_memory.from_arrays(config(), stack(doubled_levels())[..., None])


def load_idx(tmp_path, config):
    for name, image in (("train", stack(doubled_levels())), ("t10k", stack(range(100, 104)))):
        for kind, array in (("images-idx3", image), ("labels-idx1", image[:, 0, 0])):
            head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (tmp_path / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(head + array.tobytes()))
    return sources.load(config(source="idx", dir=str(tmp_path)))


LOADERS = (load_folder, load_zip, load_npz, load_npy, load_python, load_idx)


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_copies_are_on_one_side(tmp_path, data_config, capsys, load, share):
    data = load(tmp_path, lambda **fields: data_config(valid_fraction=share, **fields))
    train, valid = levels(data.train), levels(data.valid)
    assert not set(train) & set(valid)
    assert sorted(train + valid) == sorted(doubled_levels())
    assert 0 < len(valid) <= 2 * UNIQUE * share + 2
    assert f"{UNIQUE} of {2 * UNIQUE} images have the same pixels as another" in capsys.readouterr().err
    np.testing.assert_array_equal(data.digests["train"], holdout.digests(np.asarray(data.train["image"])))


@pytest.mark.parametrize("load", LOADERS)
def test_copies_may_be_dropped_or_kept(tmp_path, data_config, capsys, load):
    data = load(tmp_path, lambda **fields: data_config(duplicates="drop", **fields))
    assert sorted(levels(data.train) + levels(data.valid)) == list(range(UNIQUE))
    assert "and are left out" in capsys.readouterr().err
    kept = load(tmp_path, lambda **fields: data_config(duplicates="keep", **fields))
    assert sorted(levels(kept.train) + levels(kept.valid)) == sorted(doubled_levels())
    assert "may be on both sides" in capsys.readouterr().err


def test_copies_in_given_splits(tmp_path, data_config, capsys):
    root = write_tree(tmp_path / "d", [f"train/{i}.png" for i in range(20)])
    write_tree(root, [f"val/{i}.png" for i in range(6)], first=15)  # 15 to 20: five of train's
    write_tree(root, [f"test/{i}.png" for i in range(4)], first=20)  # 20 to 23: one of valid's
    data = sources.load(data_config(source="folder", dir=str(root)))
    assert sorted(levels(data.train)) == list(range(15)) and sorted(levels(data.valid)) == list(range(15, 20))
    assert sorted(levels(data.test)) == list(range(20, 24))
    said = capsys.readouterr().err
    assert "5 train images have the same pixels as an image of valid or test and are left out of train" in said
    data = sources.load(data_config(source="folder", dir=str(root), duplicates="keep"))
    assert len(data.train["image"]) == 20
    assert "(--config.data.duplicates=drop leaves them out of train)" in capsys.readouterr().err


def test_published_splits_are_left_as_they_are():
    digests = {"train": np.uint64([1, 2, 3]), "test": np.uint64([3, 4])}
    rows, said = holdout.select(digests, "group", hold_out=False, published=True)
    assert rows["train"].tolist() == [0, 1, 2] and "1 train images" in said[0]
    rows, _ = holdout.select(digests, "drop", hold_out=False, published=True)
    assert rows["train"].tolist() == [0, 1]


def test_without_copies_nothing_is_said_and_nothing_moves():
    digests = {"train": np.arange(50, dtype=np.uint64)}
    rows, said = holdout.select(digests, "group", hold_out=True)
    assert said == [] and rows["train"].tolist() == list(range(50))
    for share in (0.0, 0.1, 0.33, 0.9):
        assert holdout.num_kept(50, share, digests["train"]) == holdout.num_kept(50, share)


def test_groups_are_never_cut(n=200):
    rng = np.random.default_rng(0)
    for _ in range(n):
        values = rng.integers(0, rng.integers(1, 12), rng.integers(2, 30)).astype(np.uint64)
        values = values[holdout.copies_together(values)]
        for share in (0.05, 0.3, 0.9):
            kept = holdout.num_kept(len(values), share, values)
            assert not set(values[:kept]) & set(values[kept:]) and kept > 0
            assert kept < len(values) or len(set(values)) == 1


def test_one_picture_alone_is_not_divided(data_config, capsys):
    data = in_memory.from_arrays(data_config(), np.full((9, 4, 4, 1), 7, np.uint8))
    assert len(data.train["image"]) == 9 and data.valid is None
    assert "every pixel of every image is 7" in capsys.readouterr().err
