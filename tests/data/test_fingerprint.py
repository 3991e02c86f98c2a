"""Data that change between runs: what is said, what is refused, and what stays held out."""

import numpy as np
import pytest
from made_images import levels, write_tree

from vae_jax import errors
from vae_jax.data import fingerprint, in_memory, sources


def names(count, label="a"):
    return [f"{label}/{i}.png" for i in range(count)]


@pytest.fixture
def tree(tmp_path):
    return write_tree(tmp_path / "d", names(100))


def load(data_config, tree, **fields):
    return sources.load(data_config(source="folder", dir=str(tree), **fields))


def stored(data):
    return fingerprint.from_bytes(fingerprint.to_bytes(fingerprint.fingerprint(data)))


def test_the_same_data_go_on_untouched(data_config, tree):
    data = load(data_config, tree)
    again, said = fingerprint.reconcile(load(data_config, tree), stored(data))
    assert said == [] and isinstance(again.train["image"], np.memmap)
    np.testing.assert_array_equal(again.train["image"], data.train["image"])


def test_more_images_are_refused_and_on_request_keep_what_was_held_out(data_config, tree):
    before = load(data_config, tree)
    mark = stored(before)
    write_tree(tree, names(50, "a/more"), first=100)
    now = load(data_config, tree)
    assert set(levels(now.train)) & set(levels(before.valid))  # what the refusal is for
    with pytest.raises(
        errors.UserError, match="50 images were added and 0 are gone, of 100.*--accept_new_data"
    ) as mistake:
        fingerprint.reconcile(now, mark)
    assert "\n" not in str(mistake.value)
    after, said = fingerprint.reconcile(now, mark, accept=True)
    assert not set(levels(after.train)) & set(levels(before.valid))
    assert not set(levels(after.valid)) & set(levels(before.train))
    assert sorted(levels(after.train) + levels(after.valid)) == list(range(150))
    for split in after.splits.values():
        assert all(len(values) == len(split["image"]) for values in split.values())
    assert "50 images were added" in said[0]
    later, _ = fingerprint.reconcile(load(data_config, tree), stored(after))  # needs no second acceptance
    assert sorted(levels(later.valid)) == sorted(levels(after.valid))


def test_images_taken_away_or_replaced(data_config, tree):
    mark = stored(load(data_config, tree))
    for i in range(3):
        (tree / f"a/{i}.png").unlink()
    write_tree(tree, ["a/9.png"], first=200)
    with pytest.raises(errors.UserError, match="1 images were added and 4 are gone, of 100"):
        fingerprint.reconcile(load(data_config, tree), mark)


def test_renamed_files_are_the_same_images_and_keep_their_side(data_config, tree):
    before = load(data_config, tree)
    (tree / "a").rename(tree / "b")
    for i in range(100):
        (tree / "b" / f"{i}.png").rename(tree / "b" / f"x{i * 37 % 100:03d}.png")
    now = load(data_config, tree)
    with pytest.raises(errors.UserError, match="the classes were a and are b"):
        fingerprint.reconcile(now, stored(before))
    after, said = fingerprint.reconcile(now, stored(before), accept=True)
    assert sorted(levels(after.valid)) == sorted(levels(before.valid))
    assert any("every image stays in the split that it had" in line for line in said)


def test_other_labels(data_config):
    image = np.arange(40, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2)
    mark = stored(in_memory.from_arrays(data_config(), image, np.arange(40) % 2))
    fingerprint.reconcile(in_memory.from_arrays(data_config(), image, np.arange(40) % 2), mark)
    with pytest.raises(errors.UserError, match="labels or factors are others"):
        fingerprint.reconcile(in_memory.from_arrays(data_config(), image, np.arange(40) % 3), mark)
    with pytest.raises(errors.UserError, match="40 images were added and 40 are gone"):
        fingerprint.reconcile(in_memory.from_arrays(data_config(), image + 100, np.arange(40) % 2), mark)


def test_the_order_of_images_does_not_matter(data_config):
    image = np.arange(40, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2)
    label = np.arange(40) % 2
    one = fingerprint.fingerprint(in_memory.from_arrays(data_config(), image, label))
    two = fingerprint.fingerprint(in_memory.from_arrays(data_config(), image[::-1], label[::-1]))
    assert fingerprint.changes(one, two) == []


def test_held_out_names_are_those_of_the_files(data_config, tree):
    data = load(data_config, tree)
    found = fingerprint.held_out_names(data)
    assert [int(name.split("/")[1].split(".")[0]) for name in found] == levels(data.valid)


def test_a_damaged_fingerprint_is_one_line(data_config, tree):
    content = fingerprint.to_bytes(fingerprint.fingerprint(load(data_config, tree)))
    for spoilt in (b"", content[: len(content) // 2], b"x" + content[1:]):
        with pytest.raises(errors.UserError, match="damaged"):
            fingerprint.from_bytes(spoilt)
