"""data.split_file: folders, zips and arrays divided by a list."""

import numpy as np
import pytest
from made_images import levels, write_tree, write_zip

from vae_jax import errors
from vae_jax.data import in_memory, sources, split_list

NAMES = [f"{label}/{i}.png" for label in ("cat", "dog") for i in range(4)]


def listed(tmp_path, text):
    path = tmp_path / "splits.txt"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "cat/0.png train\ncat/1.png train\ndog/3.png val\ndog/0.png test\n",
        "name,split\ncat/0.png,train\ncat/1.png,train\ndog/3.png,valid\ndog/0.png,test\n",
        '"cat/0.png"\t"0"\n"cat/1.png"\t"0"\n./dog/3.png\t1\ndog\\0.png\t2\n\n',
        "\ufefffile;partition\ncat/0;training\ncat/1;training\ndog/3;validation\ndog/0;testing",
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_every_usual_form_of_list(tmp_path, data_config, capsys, text, zipped):
    place = write_zip(tmp_path / "d.zip", NAMES) if zipped else write_tree(tmp_path / "d", NAMES)
    data = sources.load(data_config(source="folder", dir=str(place), split_file=listed(tmp_path, text)))
    assert (levels(data.train), levels(data.valid), levels(data.test)) == ([0, 1], [7], [4])
    assert data.train["label"].tolist() == [0, 0] and data.test["label"].tolist() == [1]
    said = capsys.readouterr().err
    assert "train 2, valid 1, test 1" in said and "left out 4 images that splits.txt does not list" in said


def test_file_names_and_stems_do_where_they_are_unique(tmp_path):
    names = ["a/one.png", "b/two.png", "c/three.jpg"]
    groups, _ = _assign(tmp_path, "one.png 0\ntwo 2\n", names)
    assert {split: rows.tolist() for split, rows in groups.items()} == {"train": [0], "test": [1]}
    with pytest.raises(errors.UserError, match="may be a/x.png or b/x.png"):
        _assign(tmp_path, "x.png train\n", ["a/x.png", "b/x.png"])


def _assign(tmp_path, text, names):
    path = tmp_path / "list.txt"
    path.write_text(text)
    return split_list.assign(path, names)


def test_names_with_spaces_and_absent_ones(tmp_path):
    groups, said = _assign(tmp_path, "my photo 1.png train\nnothere.png valid\n", ["my photo 1.png"])
    assert groups["train"].tolist() == [0]
    assert "lists 1 images that are not there: nothere.png" in said[-1]


@pytest.mark.parametrize(
    "text, words",
    [
        ("a.png train\nb.png sometimes\n", "line 2: expected a name and train, valid or test"),
        ("a.png train\na.png test\n", "line 2: a.png is already listed as train"),
        ("zzz.png train\n", "lists none of the images"),
        ("", "lists none of the images"),
    ],
)
def test_wrong_lists_are_one_line(tmp_path, text, words):
    with pytest.raises(errors.UserError, match=words) as mistake:
        _assign(tmp_path, text, ["a.png", "b.png"])
    assert "\n" not in str(mistake.value)


def test_no_such_list(tmp_path, data_config):
    root = write_tree(tmp_path / "d", NAMES)
    with pytest.raises(errors.UserError, match="set --config.data.split_file"):
        sources.load(data_config(source="folder", dir=str(root), split_file=str(tmp_path / "none.txt")))


def test_a_list_that_changes_is_read_again(tmp_path, data_config):
    root = write_tree(tmp_path / "d", NAMES)
    config = data_config(source="folder", dir=str(root), split_file=listed(tmp_path, "cat/0.png 0\ncat/1.png 1\n"))
    assert levels(sources.load(config).valid) == [1]
    listed(tmp_path, "cat/0.png 0\ncat/2.png 1\n")
    assert levels(sources.load(config).valid) == [2]


def test_rows_of_arrays_by_list(tmp_path, data_config):
    image = np.arange(6, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(4, 2)
    np.savez(tmp_path / "a.npz", images=image, labels=np.arange(6))
    words = ["train", "train", "train", "valid", "test", "test"]
    path = listed(tmp_path, "".join(f"train/{i} {word}\n" for i, word in enumerate(words)))
    data = sources.load(data_config(source="npz", dir=str(tmp_path / "a.npz"), split_file=path))
    assert (levels(data.train), levels(data.valid), levels(data.test)) == ([0, 1, 2], [3], [4, 5])
    assert data.test["label"].tolist() == [4, 5]
    data = in_memory.from_arrays(data_config(split_file=path), image[..., None])
    assert (levels(data.train), levels(data.valid), levels(data.test)) == ([0, 1, 2], [3], [4, 5])
