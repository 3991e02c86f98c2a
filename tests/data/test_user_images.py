"""A user's own images: every form of --input, classes by the run's names, parts of any size."""

import numpy as np
import pytest
from made_images import png, write_tree, write_zip
from PIL import Image

from vae_jax import errors
from vae_jax.data import user_images

SHAPE = (4, 4, 1)


def load(path, **options):
    return user_images.load_images(str(path), "none", SHAPE, **options)


def grey(split):
    return split["image"][:, 0, 0, 0].tolist()


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "WEBP", "GIF"])
def test_one_image(tmp_path, form):
    Image.fromarray(np.full((9, 9), 7, np.uint8)).save(
        tmp_path / f"photo.{form.lower()}", form, **({"lossless": True} if form == "WEBP" else {})
    )
    write_tree(tmp_path, ["other.png"], first=99)
    split = load(tmp_path / f"photo.{form.lower()}")
    assert grey(split) == [7] and split["name"].tolist() == [f"photo.{form.lower()}"]


def test_names_are_in_order_and_belong_to_the_images(tmp_path):
    names = ["b/2.png", "a/10.png", "a/9.png", "c.png"]
    for place in (write_tree(tmp_path / "d", names), write_zip(tmp_path / "d.zip", names)):
        split = load(place)
        assert split["name"].tolist() == sorted(names)
        assert grey(split) == [names.index(name) for name in sorted(names)]


@pytest.mark.parametrize("zipped", [False, True])
def test_labels_are_the_runs_by_name(tmp_path, zipped, capsys):
    names = ["dog/1.png", "dog/2.png"]
    place = write_zip(tmp_path / "d.zip", names) if zipped else write_tree(tmp_path / "d", names)
    assert load(place, label_names=("cat", "dog"))["label"].tolist() == [1, 1]
    assert load(place)["label"].tolist() == [0, 0]
    assert "label" not in load(place, label_names=("cat", "owl"))
    assert "dog are no classes of this run; its classes are cat, owl" in capsys.readouterr().err


def test_a_directory_that_is_a_class(tmp_path, capsys):
    place = write_tree(tmp_path / "dog", ["1.png", "2.png"])
    assert load(place, label_names=("cat", "dog"))["label"].tolist() == [1, 1]
    assert "taken as the class dog" in capsys.readouterr().err
    assert "label" not in load(place)


def test_splits_and_strays_of_own_images(tmp_path, capsys):
    names = [f"{split}/{label}/{i}.png" for split in ("train", "test") for label in ("cat", "dog") for i in range(3)]
    split = load(write_tree(tmp_path / "d", names), label_names=("cat", "dog"))
    assert [("dog" in name) == label for name, label in zip(split["name"], split["label"], strict=True)] == [True] * 12
    write_tree(tmp_path / "d", ["cover.png"])
    split = load(tmp_path / "d", label_names=("cat", "dog"))
    assert len(split["image"]) == 13 and "label" not in split
    assert "1 images are in no class directory, such as cover.png" in capsys.readouterr().err


def test_skipped_images_shift_nothing(tmp_path, capsys):
    place = write_tree(tmp_path / "d", [f"{'cat' if i < 3 else 'dog'}/{i}.png" for i in range(6)])
    (place / "cat" / "1.png").write_bytes(b"junk")
    split = load(place, label_names=("cat", "dog"))
    assert grey(split) == [0, 2, 3, 4, 5] and split["label"].tolist() == [0, 0, 1, 1, 1]
    assert split["name"].tolist()[1] == "cat/2.png"
    assert "skipped 1 of 6 images: cat/1.png (not an image)" in capsys.readouterr().err


@pytest.mark.parametrize("chunk", [1, 2, 3, 5, 100])
def test_parts_are_the_whole(tmp_path, chunk):
    place = write_tree(tmp_path / "d", [f"{i}.png" for i in range(5)])
    parts = list(user_images.stream_images(str(place), "none", SHAPE, chunk=chunk))
    assert max(len(part["image"]) for part in parts) <= chunk
    assert [level for part in parts for level in grey(part)] == list(range(5))


def test_arrays_of_ones_own(tmp_path, data_config):
    image = np.arange(6, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    np.savez(tmp_path / "a.npz", train_images=image[:4], test_images=image[4:])
    np.save(tmp_path / "b.npy", image)
    for name in ("a.npz", "b.npy"):
        split = load(tmp_path / name)
        assert grey(split) == list(range(6)) and split["name"].tolist() == list("012345")
    np.save(tmp_path / "c.npy", image / 10)
    split = load(tmp_path / "c.npy", data=data_config(value_range=(0, 1)))
    assert grey(split) == np.rint(image[:, 0, 0] / 10 * 255).astype(int).tolist()


def test_the_runs_value_range_holds(tmp_path, data_config):
    place = write_tree(tmp_path / "d", ["0.png", "1.png"])
    assert grey(load(place, data=data_config(value_range=(0, 1)))) == [0, 255]


def test_home_is_understood(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_tree(tmp_path / "d", ["0.png"])
    assert grey(load("~/d")) == [0]


def test_shapes_are_fitted(tmp_path):
    (tmp_path / "c.png").write_bytes(png(200, size=(3, 3), channels=3))
    assert user_images.load_images(str(tmp_path / "c.png"), "center148", (6, 8, 1))["image"].shape == (1, 6, 8, 1)
    np.save(tmp_path / "c.npy", np.full((2, 9, 9, 3), 200, np.uint8))
    assert user_images.load_images(str(tmp_path / "c.npy"), "center148", (6, 8, 1))["image"].shape == (2, 6, 8, 1)


@pytest.mark.parametrize(
    "make, words",
    [
        (lambda p: None, "there is no .*set --input to"),
        (lambda p: p.mkdir(), "no usable image .*--input"),
        (
            lambda p: p.write_bytes(b"\x1f\x8b\x08" + bytes(99)),
            "gzip archive, which is not read: unpack it and set --input",
        ),
        (lambda p: p.write_text("hello"), "neither a directory, a .zip nor an image: set --input"),
        (lambda p: write_tree(p, ["a.txt"]), "no usable image"),
    ],
)
def test_mistakes_speak_of_input(tmp_path, make, words):
    make(tmp_path / "in")
    with pytest.raises(errors.UserError, match=words) as mistake:
        load(tmp_path / "in")
    assert "\n" not in str(mistake.value) and "data.dir" not in str(mistake.value)
