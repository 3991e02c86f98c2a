"""What directories mean, as names and as loaded from folders and zips."""

import pytest
from made_images import levels, write_tree, write_zip

from vae_jax import errors
from vae_jax.data import layout, sources

PARTS = {"train": 12, "val": 4, "test": 5}


def split_names(order="{split}/{label}/{i}.png", words=("train", "val", "test"), wrapper=""):
    names = []
    for word, count in zip(words, PARTS.values(), strict=True):
        for i in range(count):
            names.append(wrapper + order.format(split=word, label="cat" if i % 2 else "dog", i=i))
    return names


SPELLINGS = {
    "split above class": {},
    "split below class": {"order": "{label}/{split}/{i}.png"},
    "capitals": {"words": ("Train", "Valid", "TEST")},
    "training_set": {"words": ("training_set", "validation_set", "test_set")},
    "years": {"words": ("train2017", "val2017", "test2017")},
    "wrapped": {"wrapper": "animals/"},
    "twice": {"order": "{split}/{split}/{label}/{i}.png"},
    "wrapped below": {"order": "animals/{label}/{split}/{i}.png"},
}


@pytest.mark.parametrize("kind", SPELLINGS)
@pytest.mark.parametrize("zipped", [False, True])
def test_splits_by_directory(tmp_path, data_config, capsys, kind, zipped):
    names = split_names(**SPELLINGS[kind])
    place = write_zip(tmp_path / "d.zip", names) if zipped else write_tree(tmp_path / "d", names)
    data = sources.load(data_config(source="folder", dir=str(place)))
    assert sorted(levels(data.train)) == list(range(12))
    assert sorted(levels(data.valid)) == list(range(12, 16))
    assert sorted(levels(data.test)) == list(range(16, 21))
    assert data.label_names == ("cat", "dog")
    for split in data.splits.values():
        for name, label in zip(split["name"], split["label"], strict=True):
            assert ("cat" in name) == (data.label_names[label] == "cat")
    assert "found splits train 12, valid 4, test 5; classes cat, dog" in capsys.readouterr().err


def test_splits_without_classes_and_test_images_without(tmp_path, data_config, capsys):
    flat = [f"{word}/{i}.png" for word, count in PARTS.items() for i in range(count)]
    data = sources.load(data_config(source="folder", dir=str(write_tree(tmp_path / "flat", flat))))
    assert [len(split["image"]) for split in data.splits.values()] == [12, 4, 5]
    assert "label" not in data.train and data.label_names == ()
    kaggle = [n if n.startswith("train") else n.replace("cat/", "").replace("dog/", "") for n in split_names()]
    data = sources.load(data_config(source="folder", dir=str(write_tree(tmp_path / "kaggle", kaggle))))
    assert len(data.train["label"]) == 12 and "label" not in data.valid and "label" not in data.test
    assert "the images of valid and test have no classes" in capsys.readouterr().err


def test_without_a_validation_directory_a_share_of_train_is_held_out(tmp_path, data_config):
    names = [n for n in split_names() if not n.startswith("val")]
    data = sources.load(data_config(source="folder", dir=str(write_tree(tmp_path / "d", names))))
    assert sorted(levels(data.train) + levels(data.valid)) == list(range(12))
    assert len(data.valid["image"]) == 1 and len(data.test["image"]) == 5


@pytest.mark.parametrize(
    "names, classes",
    [
        (["bus/1.png", "train/2.png", "tram/3.png"], {"bus", "train", "tram"}),  # vehicles
        (["test/1.png", "blank/2.png", "blank/3.png"], {"test", "blank"}),
        (["train/1.png", "test/2.png", *(f"{c}/{i}.png" for c in "abc" for i in range(9))], {"train", "test", *"abc"}),
    ],
)
def test_classes_may_be_called_like_splits(names, classes):
    found = layout.read_layout(names)
    assert set(found.label_names) == classes and set(found.groups) == {"train"}


@pytest.mark.parametrize("stray", ["cover.jpg", "wrapped/cover.png", "thumb.gif"])
def test_a_stray_image_costs_no_labels(stray):
    wrapper = "wrapped/" if "/" in stray else ""
    names = [f"{wrapper}{label}/{i}.png" for label in ("cat", "dog") for i in range(5)]
    found = layout.read_layout([*names, stray])
    assert found.label_names == ("cat", "dog") and sorted(found.groups["train"]) == sorted(names)
    assert any("left out 1 images beside the class directories" in line and stray in line for line in found.said)
    everything = layout.read_layout([*names, stray], "flat")
    assert len(everything.groups["train"]) == 11 and everything.classes == {}


def test_strays_beside_splits_are_named_and_never_used(tmp_path, data_config, capsys):
    names = [*split_names(), "cover.png", "extra/1.png", "train/index.png"]
    data = sources.load(data_config(source="folder", dir=str(write_tree(tmp_path / "d", names))))
    assert sum(len(split["image"]) for split in data.splits.values()) == 21
    said = capsys.readouterr().err
    assert "left out 2 images outside the directories of the splits: cover.png, extra/1.png" in said
    assert "left out 1 images beside the class directories of train: train/index.png" in said


def test_a_few_directories_beside_many_images_are_no_classes():
    names = [f"{i}.png" for i in range(9)] + ["more/1.png"]
    found = layout.read_layout(names)
    assert found.classes == {} and len(found.groups["train"]) == 10
    assert "9 of them are in no directory" in found.said[0]
    assert layout.read_layout(names, "classes").groups == {"train": ["more/1.png"]}


def test_layout_overrules(tmp_path, data_config):
    root = write_tree(tmp_path / "d", split_names())
    data = sources.load(data_config(source="folder", dir=str(root), layout="classes"))
    assert data.label_names == ("test", "train", "val") and data.test is None
    data = sources.load(data_config(source="folder", dir=str(root), layout="flat"))
    assert "label" not in data.train and len(data.train["image"]) + len(data.valid["image"]) == 21
    with pytest.raises(errors.UserError, match="data.layout=splits needs directories train/.*found a/, b/"):
        layout.read_layout(["a/1.png", "b/2.png"], "splits")
    with pytest.raises(errors.UserError, match="needs a directory for each class"):
        layout.read_layout(["1.png", "2.png"], "classes")
    with pytest.raises(errors.UserError, match="unknown data.layout"):
        layout.read_layout(["1.png"], "imagenet")


def test_one_line_says_what_was_found(tmp_path, data_config, capsys):
    sources.load(data_config(source="folder", dir=str(write_tree(tmp_path / "d", ["b/1.png", "a/2.png"]))))
    lines = capsys.readouterr().err.splitlines()
    assert [line for line in lines if line.startswith("found")] == ["found 2 images; classes a, b"]
