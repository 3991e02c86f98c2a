"""What the directories of a folder or a zip mean: splits, classes, or nothing.

Works on names alone, so that directories, zips and a user's own images (`vae_jax.data.folder`,
`vae_jax.data.user_images`) are understood in the same way. Which files are images is decided in `vae_jax.data.stores`.
"""

import collections
import dataclasses
import re
from collections.abc import Iterable, Sequence

import numpy as np

from vae_jax import errors
from vae_jax.data import dataset, progress

LAYOUTS = ("auto", "splits", "classes", "flat")

_SPLIT_WORDS = {
    "train": r"train|training",
    "valid": r"val|valid|validation|dev",
    "test": r"test|testing",
}
# "train", "Training", "training_set", "train2017", "val-images" and so on.
_SPLIT_PATTERNS = {
    split: re.compile(rf"(?:{words})(?:[_\- ]?(?:set|data|images?|imgs?|split|\d+))*", re.IGNORECASE)
    for split, words in _SPLIT_WORDS.items()
}


@dataclasses.dataclass(frozen=True)
class Layout:
    """The meaning of a list of names.

    Attributes:
        groups: split -> names; without splits, everything is in "train".
        classes: name -> class, for the names that have one.
        said: sentences for the user about what was found and what is left out.
    """

    groups: dict[str, list[str]]
    classes: dict[str, str]
    said: tuple[str, ...]

    @property
    def label_names(self) -> tuple[str, ...]:
        """The classes in order of name."""
        return tuple(sorted(set(self.classes.values())))

    def labels(self, names: Sequence[str]) -> np.ndarray:
        """Return the class number of each name, int32 [N]; -1 for a name without a class."""
        number = {name: i for i, name in enumerate(self.label_names)}
        return np.array([number.get(self.classes.get(name, ""), -1) for name in names], np.int32)


def split_named(directory: str) -> str | None:
    """Return "train", "valid" or "test" for a directory that is called so in any usual spelling, else None."""
    return next((split for split, pattern in _SPLIT_PATTERNS.items() if pattern.fullmatch(directory)), None)


def read_layout(names: Iterable[str], layout: str = "auto") -> Layout:
    """Return what the directories in `names` mean.

    Args:
        names: paths relative to the root, with forward slashes.
        layout: "splits" (train/, valid/, test/, with or without classes below or above them), "classes" (a directory
            for each class), "flat" (no meaning), or "auto", which finds out.

    Raises:
        UserError: `layout` is not one of these, or the names do not have this layout.
    """
    if layout not in LAYOUTS:
        raise errors.UserError(f"unknown data.layout {layout!r}: known are {', '.join(LAYOUTS)}")
    paths = {name: name.split("/") for name in names}
    if layout == "flat":
        return Layout({"train": list(paths)}, {}, (f"found {len(paths):,} images; directories mean nothing",))
    inner, strays = _without_wrapper(paths)
    if layout in ("auto", "splits"):
        for read in (_splits_above, _splits_below):
            found = read(inner, strays)
            if found is not None:
                return found
    if layout == "splits":
        raise errors.UserError(
            "data.layout=splits needs directories train/ and valid/ or test/; found "
            + (progress.names(sorted({path[0] + "/" for path in inner.values() if len(path) > 1})) or "no directories")
        )
    return _classes(inner, strays, layout)


def _without_wrapper(paths: dict[str, list[str]]) -> tuple[dict[str, list[str]], list[str]]:
    """Look through a lone directory around most images, as zips have; return the rest of each path, and the strays."""
    strays = []
    while True:
        tops = {path[0] for path in paths.values() if len(path) > 1}
        deep = {name: path[1:] for name, path in paths.items() if len(path) > 2}
        if len(tops) != 1 or 2 * len(deep) <= len(paths):
            return paths, strays
        strays += [name for name, path in paths.items() if len(path) == 1]
        paths = {name: path[1:] for name, path in paths.items() if len(path) > 1}


def _splits_above(paths: dict[str, list[str]], strays: list[str]) -> Layout | None:
    """Return the layout train/cat/1.png (or train/1.png), None if it is another."""
    groups = _group(paths, 0)
    if groups is None:
        return None
    used = {name for group in groups.values() for name in group}
    classes, said = {}, []
    for split, group in groups.items():
        inner, loose = _without_wrapper({name: paths[name][1:] for name in group})
        loose += [name for name, path in inner.items() if len(path) == 1]
        if 2 * len(loose) >= len(group):
            continue
        classes |= {name: inner[name][0] for name in group if name not in set(loose)}
        groups[split] = [name for name in group if name in classes]
        if loose:
            said.append(_left_out(loose, f"beside the class directories of {split}"))
    outside = [*strays, *(name for name in paths if name not in used)]
    return _with_splits(groups, classes, outside, said)


def _splits_below(paths: dict[str, list[str]], strays: list[str]) -> Layout | None:
    """Return the layout cat/train/1.png, None if it is another."""
    groups = _group(paths, 1)
    if groups is None:
        return None
    used = {name for group in groups.values() for name in group}
    outside = [*strays, *(name for name in paths if name not in used)]
    return _with_splits(groups, {name: paths[name][0] for name in used}, outside, [])


def _group(paths: dict[str, list[str]], depth: int) -> dict[str, list[str]] | None:
    """Group the names by the split that directory number `depth` names.

    Returns None unless there are training images, another split, and most images are in one of them: a class may be
    called "train", and a directory "test" may be a stray.
    """
    groups = collections.defaultdict(list)
    for name, path in paths.items():
        split = split_named(path[depth]) if len(path) > depth + 1 else None
        if split:
            groups[split].append(name)
    if "train" not in groups or len(groups) < 2 or 2 * sum(map(len, groups.values())) <= len(paths):
        return None
    return {split: groups[split] for split in dataset.SPLITS if split in groups}


def _with_splits(groups: dict, classes: dict[str, str], outside: list[str], said: list[str]) -> Layout:
    sizes = ", ".join(f"{split} {len(group):,}" for split, group in groups.items())
    bare = [split for split, group in groups.items() if not any(name in classes for name in group)]
    if classes and bare:
        said.append(f"the images of {' and '.join(bare)} have no classes")
    if outside:
        said.append(_left_out(outside, "outside the directories of the splits"))
    classes_found = f"; classes {_listed(sorted(set(classes.values())))}" if classes else "; no classes"
    return Layout(groups, classes, (f"found splits {sizes}{classes_found}", *said))


def _classes(paths: dict[str, list[str]], strays: list[str], layout: str) -> Layout:
    """Return the layout cat/1.png, or no classes where most images are in no directory."""
    loose = [*strays, *(name for name, path in paths.items() if len(path) == 1)]
    total = len(paths) + len(strays)
    if layout == "auto" and 2 * len(loose) >= total:
        said = [f"found {total:,} images without classes"]
        if len(loose) < total:
            said = [
                f"found {total:,} images without classes: {len(loose):,} of them are in no directory "
                "(--config.data.layout=classes leaves those out)"
            ]
        return Layout({"train": [*paths, *strays]}, {}, tuple(said))
    classes = {name: path[0] for name, path in paths.items() if len(path) > 1}
    if not classes:
        raise errors.UserError("data.layout=classes needs a directory for each class; the images are in none")
    found = f"found {len(classes):,} images; classes {_listed(sorted(set(classes.values())))}"
    said = [_left_out(loose, "beside the class directories", "flat uses every image, without classes")] if loose else []
    return Layout({"train": list(classes)}, classes, (found, *said))


def _left_out(names: list[str], where: str, other: str = "") -> str:
    shown = progress.names([progress.printable(name) for name in sorted(names)])
    remedy = f" (--config.data.layout={other})" if other else ""
    return f"left out {len(names):,} images {where}: {shown}{remedy}"


def _listed(classes: list[str]) -> str:
    return progress.names([progress.printable(name) for name in classes], 10)
