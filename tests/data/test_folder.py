"""Folders and zips of images, from disk to splits."""

import os
import zipfile

import numpy as np
import pytest

from vae_jax import errors
from vae_jax.data import holdout, layout, sources, stores


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture
def tree(tmp_path, encode):
    """20 flat colour images in two directories; the value of every pixel is the image's number."""
    root = tmp_path / "tree"
    for i in range(20):
        write(root / ("cat" if i < 12 else "dog") / f"{i:02d}.png", encode(np.full((4, 6, 3), i, np.uint8)))
    return root


def zipped(root, path, prefix=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(root.rglob("*"), reverse=True):
            if file.is_file():
                archive.write(file, prefix + file.relative_to(root).as_posix())
    return path


def test_labels_splits_and_pixels(tree, data_config):
    data = sources.load(data_config(source="folder", dir=str(tree)))
    assert data.name == "tree" and data.image_shape == (4, 6, 3) and data.test is None
    assert data.label_names == ("cat", "dog")
    assert isinstance(data.train["image"], np.memmap) and data.train["image"].dtype == np.uint8
    numbers = np.concatenate([data.train["image"], data.valid["image"]])[:, 0, 0, 0]
    np.testing.assert_array_equal(numbers, np.random.default_rng(0).permutation(20))
    assert len(data.valid["image"]) == 2
    labels = np.concatenate([data.train["label"], data.valid["label"]])
    np.testing.assert_array_equal(labels, numbers >= 12)


@pytest.mark.parametrize("prefix", ["", "wrapped/", "../../../", "/absolute/"])
def test_a_zip_is_its_folder_whatever_its_member_names(tree, tmp_path, data_config, prefix):
    path = zipped(tree, tmp_path / "tree.zip", prefix)
    before = sorted(p for p in tmp_path.rglob("*"))
    read_folder = sources.load(data_config(source="folder", dir=str(tree)))
    read_zip = sources.load(data_config(source="folder", dir=str(path)))
    for split in ("train", "valid"):
        for key in ("image", "label"):
            np.testing.assert_array_equal(getattr(read_zip, split)[key], getattr(read_folder, split)[key])
    assert read_zip.label_names == ("cat", "dog")
    outside = [p for p in tmp_path.rglob("*") if p not in before and tmp_path / "cache" not in (p, *p.parents)]
    assert outside == []


def test_the_label_is_the_first_directory_where_every_image_has_one():
    names = ["b/x.png", "a/deep/y.png", "b/z.png"]
    found = layout.read_layout(names)
    assert found.label_names == ("a", "b") and found.labels(names).tolist() == [1, 0, 1]
    assert layout.read_layout(["x.png", "a/y.png"]).classes == {}
    assert layout.read_layout(["all/a/x.png", "all/b/y.png"]).label_names == ("a", "b")
    assert layout.read_layout(["a/x.png", "a/y.png"]).label_names == ("a",)


def test_unusable_images_are_skipped_counted_and_named(tree, encode, data_config, capsys):
    big = encode(np.random.default_rng(0).integers(0, 256, (30, 30, 3), np.uint8), "JPEG")
    write(tree / "cat" / "cut.jpg", big[:-200])
    write(tree / "cat" / "text.png", b"not an image")
    write(tree / "dog" / "small.png", encode(np.zeros((4, 4, 3), np.uint8)))
    write(tree / "dog" / "notes.txt", b"passed over without a word")
    write(tree / ".hidden" / "x.png", b"likewise")
    write(tree / "dog" / "._x.png", b"likewise")
    os.symlink(tree / "nowhere", tree / "dog" / "dangling.png")
    config = data_config(source="folder", dir=str(tree), image_size=(4, 5))
    data = sources.load(config)
    assert len(data.train["image"]) + len(data.valid["image"]) == 20
    labels = np.concatenate([data.train["label"], data.valid["label"]])
    numbers = np.concatenate([data.train["image"], data.valid["image"]])[:, 0, 0, 0]
    np.testing.assert_array_equal(labels, numbers >= 12)
    for _ in range(2):  # when decoded, and when found in the cache
        (line,) = [line for line in capsys.readouterr().err.splitlines() if "skipped" in line]
        assert line.startswith("skipped 4 of 24 images: ")
        for part in ("cut.jpg (truncated", "text.png (not an image", "small.png (too small: 4x4 for 4x5", "dangling"):
            assert part in line
        sources.load(config)


def test_names_cannot_write_to_the_terminal(tree, data_config, capsys):
    write(tree / "cat" / "a\n\x1b[2J.png", b"junk")
    sources.load(data_config(source="folder", dir=str(tree)))
    err = capsys.readouterr().err
    assert "a??[2J.png" in err and "\x1b" not in err


def test_grey_folders_have_one_channel_and_mixed_ones_three(tmp_path, encode, data_config):
    root = tmp_path / "grey"
    for i in range(30):
        write(root / f"{i:02d}.png", encode(np.full((3, 3), i, np.uint8)))
    grey = sources.load(data_config(source="folder", dir=str(root)))
    assert grey.image_shape == (3, 3, 1) and "label" not in grey.train
    write(root / "29.png", encode(np.full((3, 3, 3), [29, 1, 2], np.uint8)))
    mixed = sources.load(data_config(source="folder", dir=str(root)))
    found = np.concatenate([mixed.train["image"], mixed.valid["image"]])
    assert found.shape == (30, 3, 3, 3)
    np.testing.assert_array_equal(found[..., 0], np.broadcast_to(holdout.holdout_order(30)[:, None, None], (30, 3, 3)))
    others = found[found[:, 0, 0, 0] != 29]
    assert (others == others[..., :1]).all()


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda p, e: None, "there is no"),
        (lambda p, e: p.mkdir(), "no images in"),
        (lambda p, e: p.write_bytes(b"PK\x03\x04 and then nothing"), "not a readable zip"),
        (lambda p, e: write(p / "a.png", b"junk"), r"none of the 1 images .* a.png \(not an image\)"),
        (
            lambda p, e: [write(p / f"{n}.png", e(np.zeros((n, 9), np.uint8))) for n in (8, 9)],
            r"differ in size .*8x9.* --config.data.image_size",
        ),
    ],
)
def test_the_users_mistakes_are_one_line(tmp_path, encode, data_config, make, words):
    make(tmp_path / "data", encode)
    with pytest.raises(errors.UserError, match=words) as mistake:
        sources.load(data_config(source="folder", dir=str(tmp_path / "data")))
    assert "\n" not in str(mistake.value)


def test_no_directory_given(data_config):
    with pytest.raises(errors.UserError, match="--config.data.dir"):
        sources.load(data_config(source="folder"))


def test_damaged_members_are_skipped(tree, tmp_path, data_config, capsys):
    path = zipped(tree, tmp_path / "tree.zip")
    data = bytearray(path.read_bytes())
    at = data.find(b"cat/05.png") + len("cat/05.png") + 40
    data[at] ^= 0xFF
    path.write_bytes(data)
    loaded = sources.load(data_config(source="folder", dir=str(path)))
    assert len(loaded.train["image"]) + len(loaded.valid["image"]) == 19
    assert "skipped 1 of 20 images: cat/05.png (damaged in the zip" in capsys.readouterr().err


def test_a_zip_bomb_is_not_unfolded(tmp_path, encode, monkeypatch):
    monkeypatch.setattr(stores, "MAX_FILE_BYTES", 10_000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(20_000))
    store = stores.Zip(tmp_path / "bomb.zip")
    with pytest.raises(stores.images.Unusable, match="too large"):
        store.read("a.png")


def test_links_to_parents_end(tree, data_config):
    os.symlink(tree, tree / "cat" / "loop")
    assert len(stores.Directory(tree).members) == 20
