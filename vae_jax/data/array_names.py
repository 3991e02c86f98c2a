"""What the names of arrays mean: "x_train", "val_images", "labels", "kmnist-test-imgs" and other usual spellings.

Works on names, shapes and types alone; `vae_jax.data.arrays` reads the arrays.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from vae_jax import errors
from vae_jax.data import array_files, dataset

_WORDS = {
    "image": "images image imgs img x data",
    "label": "labels label y targets target classes attributes attr attrs",
    "factors": "factors factor latents",
    "split": "split splits partition",
    "train": "train training tr",
    "valid": "valid val validation dev",
    "test": "test testing te",
    "": "set array arr 0",  # say nothing
}
_MEANING = {word: meaning for meaning, words in _WORDS.items() for word in words.split()}
_LABEL_NAMES = {"label_names", "class_names", "classnames", "attr_names"}
_KNOWN: dict[str, tuple[str, str] | None] = {
    "latents_classes": ("train", "factors"),
    "latents_values": None,
}  # dSprites


@dataclasses.dataclass(frozen=True)
class Meaning:
    """The arrays of a data set by what they mean.

    Attributes:
        splits: split -> {"image", "label", "factors" or "split": the array}.
        label_names: the names of the classes or attributes, if an array has them.
        unused: all other arrays.
    """

    splits: dict[str, dict[str, array_files.Entry]]
    label_names: array_files.Entry | None
    unused: list[array_files.Entry]


def meaning_of(entries: Sequence[array_files.Entry], *, by_file: bool) -> Meaning:
    """Return what the arrays mean, by their keys, and by the names of their files where there are several files.

    Raises:
        UserError: two arrays have the same meaning.
    """
    splits: dict[str, dict[str, array_files.Entry]] = {}
    label_names, unused = None, []
    for entry in entries:
        if entry.key.rpartition("/")[2].lower() in _LABEL_NAMES and entry.dtype.kind in "USO":
            label_names = entry
            continue
        found = _split_and_role(entry, by_file)
        if found is None:
            unused.append(entry)
            continue
        split, role = found
        other = splits.setdefault(split, {}).setdefault(role, entry)
        if other is not entry:
            raise errors.UserError(
                f"{other.describe()} and {entry.describe()} may both be the {role} of {split}: keep one of them"
            )
    if not any("image" in roles for roles in splits.values()):
        splits, unused = _by_number(splits, unused)
    ordered = {name: splits[name] for name in dataset.SPLITS if name in splits}
    return Meaning(ordered, label_names, unused)


def is_named(path: Path) -> bool:
    """Return whether a file's name says a split or a role, or the file is one array and may be the images."""
    meanings = {_MEANING.get(word) for word in words_of(path.stem)} - {None, ""}
    return bool(meanings) or path.suffix.lower() == ".npy"


def words_of(name: str) -> list[str]:
    """Return the words and numbers in a name, in lower case: ["x", "train"] of "X_train", "xTrain" and "Xtrain"."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    words = re.findall(r"[a-z]+|\d+", name)
    return [part for word in words for part in _parts(word)]


def _parts(word: str) -> list[str]:
    """Split a word such as "xtrain" or "trainx" in two known ones."""
    if word in _MEANING:
        return [word]
    for cut in range(1, len(word)):
        pair = word[:cut], word[cut:]
        if all(part in _MEANING for part in pair) and any(_MEANING[part] in dataset.SPLITS for part in pair):
            return list(pair)
    return [word]


def _split_and_role(entry: array_files.Entry, by_file: bool) -> tuple[str, str] | None:
    """Return the (split, role) of an array, None where its name says none."""
    known = entry.key.replace("/", "_")
    if known in _KNOWN:
        return _KNOWN[known]
    is_file_name = entry.path.suffix.lower() == ".npy"
    words = words_of(entry.key)
    meanings = {_MEANING.get(word) for word in words}
    if None in meanings and not (is_file_name and by_file):
        return None
    if by_file and not is_file_name:
        # The name of the file may begin with that of the data set, which means nothing here.
        meanings |= {_MEANING.get(word) for word in words_of(entry.path.stem)}
    splits, roles = meanings & set(dataset.SPLITS), meanings & {"image", "label", "factors", "split"}
    if "split" in roles and len(roles) == 1 and splits:
        return None
    if not roles and splits and len(entry.shape) >= 3:
        roles = {"image"}  # "train" alone
    if len(splits) > 1 or len(roles) != 1:
        return None
    return str(next(iter(splits), "train")), str(roles.pop())


def _by_number(splits: dict, unused: list[array_files.Entry]) -> tuple[dict, list[array_files.Entry]]:
    """Take numpy's own names, arr_0 for images and arr_1 for labels, or the only .npy file that may be images."""
    named = {entry.key: entry for entry in unused}
    files = [entry for entry in unused if entry.path.suffix.lower() == ".npy" and len(entry.shape) >= 3]
    image = named.get("arr_0") or (files[0] if len(files) == 1 else None)
    if image is None:
        return splits, unused
    train = splits.setdefault("train", {})
    train["image"] = image
    label = named.get("arr_1")
    if label is not None and "label" not in train and label.shape[:1] == image.shape[:1] and label.dtype.kind in "iu":
        train["label"] = label
    return splits, [entry for entry in unused if entry not in train.values()]
