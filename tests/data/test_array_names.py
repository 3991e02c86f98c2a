"""Arrays under the names that people give them."""

import numpy as np
import pytest
from made_images import levels

from vae_jax import errors
from vae_jax.data import array_names, sources


def stack(first, count):
    return np.arange(first, first + count, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)


PARTS = {"train": stack(0, 10), "valid": stack(10, 3), "test": stack(20, 4)}


def check(data, capsys, unused=()):
    assert (sorted(levels(data.train)), levels(data.valid), levels(data.test)) == (
        list(range(10)),
        [10, 11, 12],
        [20, 21, 22, 23],
    )
    for split in data.splits.values():
        np.testing.assert_array_equal(split["label"], split["image"][:, 0, 0, 0] % 3)
    said = capsys.readouterr().err
    for name in unused:
        assert name in said
    assert ("not used" in said) == bool(unused)


STYLES = {
    "MedMNIST": ("{split}_images", "{split}_labels", {"valid": "val"}),
    "Keras": ("x_{split}", "y_{split}", {}),
    "capitals": ("X_{split}", "Y_{split}", {"valid": "val"}),
    "scikit-learn": ("{split}X", "{split}Y", {"valid": "dev"}),
    "camel": ("{split}Images", "{split}Labels", {"valid": "validation"}),
    "data and targets": ("{split}_data", "{split}_targets", {}),
    "hyphens": ("{split}-set-imgs", "{split}-set-target", {"train": "training", "test": "testing"}),
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("column", [False, True])
@pytest.mark.parametrize("form", ["npz", "npy files", "npz files"])
def test_usual_names(tmp_path, data_config, capsys, style, column, form):
    image_key, label_key, words = STYLES[style]
    arrays = {}
    for split, image in PARTS.items():
        label = image[:, 0, 0].astype(np.int64) % 3
        arrays[image_key.format(split=words.get(split, split))] = image
        arrays[label_key.format(split=words.get(split, split))] = label[:, None] if column else label
    if form == "npz":
        place = tmp_path / "a.npz"
        np.savez(place, **arrays)
    else:
        place = tmp_path / "d"
        place.mkdir()
        for name, array in arrays.items():
            if form == "npy files":
                np.save(place / f"{name}.npy", array)
            else:  # KMNIST's: kmnist-train-imgs.npz with arr_0
                np.savez(place / f"kmnist-{name}.npz", array)
    check(sources.load(data_config(source="npz", dir=str(place))), capsys)


def test_every_unused_array_is_named(tmp_path, data_config, capsys):
    arrays = {f"{split}_images": image for split, image in PARTS.items()}
    arrays |= {f"{split}_labels": image[:, 0, 0] % 3 for split, image in PARTS.items()}
    np.savez(tmp_path / "a.npz", **arrays, bbox=np.zeros((3, 4)), note=np.array(["x"]), odd=np.array([{}], object))
    data = sources.load(data_config(source="npz", dir=str(tmp_path / "a.npz")))
    check(data, capsys, ["bbox float64 [3, 4]", "note <U1 [1]", "odd Python objects [1]"])


def test_numpys_own_names(tmp_path, data_config):
    np.savez(tmp_path / "a.npz", PARTS["train"], np.arange(10) % 3)
    data = sources.load(data_config(source="npz", dir=str(tmp_path / "a.npz"), valid_fraction=0.0))
    np.testing.assert_array_equal(data.train["label"], data.train["image"][:, 0, 0, 0] % 3)
    np.save(tmp_path / "faces.npy", PARTS["train"])
    data = sources.load(data_config(source="npz", dir=str(tmp_path / "faces.npy")))
    assert sorted(levels(data.train) + levels(data.valid)) == list(range(10))


def test_text_labels_become_classes(tmp_path, data_config):
    words = np.array(["owl", "cat", "dog"])
    np.savez(tmp_path / "a.npz", images=PARTS["train"], labels=words[np.arange(10) % 3])
    data = sources.load(data_config(source="npz", dir=str(tmp_path / "a.npz"), valid_fraction=0.0))
    assert data.label_names == ("cat", "dog", "owl")
    expected = words[data.train["image"][:, 0, 0, 0] % 3]
    assert [data.label_names[i] for i in data.train["label"]] == expected.tolist()


def test_names_of_the_classes(tmp_path, data_config):
    np.savez(tmp_path / "a.npz", images=PARTS["train"], labels=np.arange(10) % 2, class_names=np.array(["no", "yes"]))
    assert sources.load(data_config(source="npz", dir=str(tmp_path / "a.npz"))).label_names == ("no", "yes")


def dsprites(image):
    classes = np.stack([np.arange(10), np.arange(10) % 2], 1)
    return {"imgs": image, "latents_classes": classes, "latents_values": classes / 10.0}


def test_dsprites(tmp_path, data_config, capsys):
    image = np.random.default_rng(0).integers(0, 2, (10, 4, 4)).astype(np.uint8)
    np.savez(tmp_path / "a.npz", **dsprites(image), metadata=np.array({"title": "dSprites"}, object))
    data = sources.load(data_config(source="npz", dir=str(tmp_path / "a.npz"), valid_fraction=0.0))
    np.testing.assert_array_equal(data.train["image"][..., 0], 255 * image[data.train["factors"][:, 0]])
    said = capsys.readouterr().err
    assert "latents_values float64 [10, 2], metadata Python objects []" in said and "warning" not in said


def test_dsprites_and_shapes3d_in_hdf5(tmp_path, data_config):
    h5py = pytest.importorskip("h5py")
    image = np.random.default_rng(0).integers(0, 2, (10, 4, 4)).astype(np.uint8)
    arrays = dsprites(image)
    with h5py.File(tmp_path / "dsprites.h5", "w") as file:
        file["imgs"] = arrays["imgs"]
        file["latents/classes"], file["latents/values"] = arrays["latents_classes"], arrays["latents_values"]
    data = sources.load(data_config(source="npz", dir=str(tmp_path / "dsprites.h5"), valid_fraction=0.0))
    np.testing.assert_array_equal(data.train["image"][..., 0], 255 * image[data.train["factors"][:, 0]])
    colour = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3)).astype(np.uint8)
    with h5py.File(tmp_path / "3dshapes.h5", "w") as file:
        file["images"], file["labels"] = colour, np.stack([np.arange(10) / 10, np.ones(10)], 1)
    data = sources.load(data_config(source="npz", dir=str(tmp_path / "3dshapes.h5"), valid_fraction=0.0))
    np.testing.assert_array_equal(data.train["image"], colour[np.rint(10 * data.train["factors"][:, 0]).astype(int)])
    assert "label" not in data.train


def test_without_h5py_the_extra_is_named(tmp_path, data_config, monkeypatch):
    import sys

    (tmp_path / "a.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(errors.UserError, match="pip install 'vae_jax\\[hdf5\\]'"):
        sources.load(data_config(source="npz", dir=str(tmp_path / "a.h5")))


@pytest.mark.parametrize(
    "arrays, words",
    [
        ({"images": PARTS["train"], "x": PARTS["train"]}, "may both be the image of train: keep one"),
        ({"images": PARTS["train"], "labels": np.arange(10) - 1}, "1 labels are outside 0 to 2147483647.* is -1"),
        ({"images": PARTS["train"], "labels": np.arange(10) + 2**31}, "10 labels are outside"),
        ({"images": PARTS["train"], "labels": np.full((10, 3), -1)}, "attributes are 0 or 1"),
        ({"images": PARTS["train"], "factors": np.full((10, 2), np.nan)}, "10 rows of 'factors' are not finite"),
        ({"images": PARTS["train"], "labels": np.full(10, np.nan)}, "must be integers"),
        ({"train_labels": np.arange(10)}, "no key 'images'"),
    ],
)
def test_wrong_arrays_are_one_line(tmp_path, data_config, arrays, words):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(errors.UserError, match=words) as mistake:
        sources.load(data_config(source="npz", dir=str(tmp_path / "a.npz"), valid_fraction=0.0))
    assert "\n" not in str(mistake.value)


def test_words_in_names():
    assert array_names.words_of("X_train") == ["x", "train"]
    assert array_names.words_of("xTrain") == array_names.words_of("trainX")[::-1] == ["x", "train"]
    assert array_names.words_of("kmnist-test-imgs") == ["kmnist", "test", "imgs"]
    assert array_names.words_of("arr_0") == ["arr", "0"]
