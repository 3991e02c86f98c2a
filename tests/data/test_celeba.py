"""The official layout with made images, and what is said when there is nothing to load."""

import gzip
import time
import zipfile

import numpy as np
import pytest

from vae_jax import errors
from vae_jax.data import celeba, sources, tfds

NAMES = [f"A{i}" for i in range(40)]
LISTED = 30  # images in the lists; 0..19 train, 20..24 valid, 25..29 test


@pytest.fixture
def layout(tmp_path, coordinates, encode):
    """A function: (which images are there, zipped or not) -> a directory in the official layout."""

    def make(present=range(LISTED), zipped=False):
        root = tmp_path / "celeba"
        root.mkdir()
        picture = coordinates(218, 178)
        files = {}
        for i in present:
            picture[..., 2] = i
            files[f"img_align_celeba/{i + 1:06d}.jpg"] = encode(picture)  # lossless inside; the name is the list's
        if zipped:
            with zipfile.ZipFile(root / "img_align_celeba.zip", "w") as archive:
                for name, data in files.items():
                    archive.writestr(name, data)
        else:
            (root / "img_align_celeba").mkdir()
            for name, data in files.items():
                (root / name).write_bytes(data)
        lines = [f"{i + 1:06d}.jpg {0 if i < 20 else 1 if i < 25 else 2}" for i in range(LISTED)]
        (root / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
        return root

    return make


def attributes():
    """bit a of the image's number is attribute a."""
    lines = [str(LISTED), " ".join(NAMES) + " "]
    for i in range(LISTED):
        lines.append(f"{i + 1:06d}.jpg " + " ".join(f"{1 if i >> a & 1 else -1:2d}" for a in range(40)))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("zipped", [False, True])
def test_official_splits_crop_and_attributes(layout, data_config, capsys, zipped):
    root = layout(zipped=zipped)
    (root / "list_attr_celeba.txt").write_text(attributes())
    data = sources.load(data_config(source="celeba", dir=str(root), crop="center148"))
    assert data.image_shape == (148, 148, 3) and data.label_names == tuple(NAMES)
    for split, numbers in ((data.train, range(20)), (data.valid, range(20, 25)), (data.test, range(25, 30))):
        np.testing.assert_array_equal(split["image"][:, 0, 0], [[15, 35, i] for i in numbers])
        np.testing.assert_array_equal(split["image"][:, -1, -1], [[162, 182, i] for i in numbers])
        assert split["label"].shape == (len(numbers), 40)
        np.testing.assert_array_equal(split["label"] @ (2 ** np.arange(40)), numbers)
    assert "found 30 of 202,599 images" in capsys.readouterr().err


def test_any_part_of_the_images_may_be_absent(layout, data_config, capsys):
    root = layout(present=[3, 19, 21, 7])
    (root / "list_attr_celeba.txt.gz").write_bytes(gzip.compress(attributes().encode()))
    (root / "img_align_celeba" / "999999.jpg").write_bytes(b"not in the lists")
    config = data_config(source="celeba", dir=str(root), crop="wae140", image_size=(14, 14))
    for _ in range(2):
        data = sources.load(config)
        assert data.train["image"][:, 0, 0, 2].tolist() == [3, 7, 19]
        assert data.valid["label"] @ (2 ** np.arange(40)) == [21]
        assert data.test is None
        assert "found 4 of 202,599 images" in capsys.readouterr().err


def test_a_list_that_changes_is_read_again(layout, data_config):
    root = layout(present=[0, 20])
    config = data_config(source="celeba", dir=str(root), image_size=(8, 8))
    assert "label" not in sources.load(config).train
    (root / "list_attr_celeba.txt").write_text(attributes())
    assert sources.load(config).train["label"].shape == (1, 40)


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda root: (root / "list_eval_partition.txt").unlink(), "no list_eval_partition.txt"),
        (lambda root: (root / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 3\n"), "line 2"),
        (lambda root: (root / "list_eval_partition.txt").write_text("000001.jpg 1\n"), "no training images"),
        (lambda root: (root / "list_eval_partition.txt").write_text("1.jpg 1\n"), "none of the images"),
        (lambda root: (root / "list_attr_celeba.txt").write_text(attributes().replace("-1", "-2")), "line 3"),
        (lambda root: (root / "list_attr_celeba.txt").write_text("\n".join(attributes().split("\n")[:9])), "lacks"),
        (lambda root: (root / "list_attr_celeba.txt.gz").write_bytes(b"\x1f\x8b junk"), "cannot be read"),
    ],
)
def test_damaged_lists_are_one_line(layout, data_config, spoil, words):
    root = layout(present=range(10))
    spoil(root)
    with pytest.raises(errors.UserError, match=words) as mistake:
        sources.load(data_config(source="celeba", dir=str(root), image_size=(8, 8)))
    assert "\n" not in str(mistake.value)


@pytest.mark.parametrize("tensorflow", [False, True])
def test_when_all_three_ways_fail_it_says_so_at_once(tmp_path, data_config, monkeypatch, never_answers, tensorflow):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "none"))
    monkeypatch.setattr(tfds.importlib.util, "find_spec", lambda name: tensorflow or None)
    monkeypatch.setattr(tfds, "_PROBE_SECONDS", 0.2)
    # A name server that never answers, and a download that would be retried for minutes.
    monkeypatch.setattr(tfds.socket, "create_connection", never_answers)
    monkeypatch.setattr(tfds.urllib.request, "getproxies", dict)
    start = time.monotonic()
    with pytest.raises(errors.UserError) as mistake:
        sources.load(data_config(source="celeba", dir=str(tmp_path)))
    assert time.monotonic() - start < 8
    text = str(mistake.value)
    for part in ("img_align_celeba.zip", "list_eval_partition.txt", "list_attr_celeba.txt", "--config.data.dir"):
        assert part in text
    assert ("drive.google.com does not answer" if tensorflow else "needs TensorFlow") in text
    first, *files, last = text.splitlines()
    assert [line.split()[0] for line in files] == [
        "img_align_celeba.zip",
        "list_eval_partition.txt",
        "list_attr_celeba.txt",
    ]
    assert str(tmp_path) in first and last.endswith("--config.data.dir=DIR")


def test_official_download_places(tmp_path):
    for place, name in (("Img", "img_align_celeba.zip"), ("Eval", "list_eval_partition.txt")):
        (tmp_path / place).mkdir()
        (tmp_path / place / name).write_text("")
        assert celeba._find(tmp_path, name) == tmp_path / place / name


def kaggle(root, suffix=".jpg"):
    """Turn the official layout into Kaggle's: a directory in a directory, and lists with commas."""
    (root / "inner").mkdir()
    (root / "img_align_celeba").rename(root / "inner" / "img_align_celeba")
    (root / "inner").rename(root / "img_align_celeba")
    lines = (root / "list_eval_partition.txt").read_text().splitlines()
    (root / "list_eval_partition.txt").unlink()
    text = "image_id,partition\n" + "".join(line.replace(" ", ",") + "\n" for line in lines)
    (root / "list_eval_partition.csv").write_text(text)
    rows = attributes().splitlines()[1:]
    text = "\n".join(",".join([*(["image_id"] if i == 0 else []), *row.split()]) for i, row in enumerate(rows))
    (root / "list_attr_celeba.csv").write_text(text + "\n")


def test_kaggles_files_are_the_official_ones(layout, data_config):
    root = layout()
    (root / "list_attr_celeba.txt").write_text(attributes())
    config = data_config(source="celeba", dir=str(root), image_size=(8, 8))
    official = sources.load(config)
    (root / "list_attr_celeba.txt").unlink()
    kaggle(root)
    found = sources.load(config)
    assert found.label_names == official.label_names
    for name, split in official.splits.items():
        np.testing.assert_array_equal(found.splits[name]["image"], split["image"])
        np.testing.assert_array_equal(found.splits[name]["label"], split["label"])


def test_the_png_edition(layout, data_config):
    root = layout()
    (root / "img_align_celeba").rename(root / "img_align_celeba_png")
    for path in (root / "img_align_celeba_png").iterdir():
        path.rename(path.with_suffix(".png"))
    data = sources.load(data_config(source="celeba", dir=str(root), image_size=(8, 8)))
    assert [len(split["image"]) for split in data.splits.values()] == [20, 5, 5]


def test_without_the_list_the_folder_config_is_offered(layout, data_config):
    root = layout(present=[1, 2])
    (root / "list_eval_partition.txt").unlink()
    with pytest.raises(errors.UserError, match="--config configs/folder.py --config.data.dir=.*img_align_celeba"):
        sources.load(data_config(source="celeba", dir=str(root)))
