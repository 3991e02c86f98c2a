"""The source "folder": any tree of images, or a .zip of one, read in place.

What its directories mean is read in `vae_jax.data.layout`; a list of splits (`data.split_file`) goes before them.
"""

from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import build, cache, dataset, holdout, images, layout, progress, split_list, stores, unused_files


def load(data, recipe: images.Recipe, report: progress.Report | None = None) -> dataset.Dataset:
    """Return the images below `data.dir`, in the splits and classes that `data.layout` or `data.split_file` say.

    Where there is no validation split, the last `data.valid_fraction` of a fixed shuffle of the training images is.

    Raises:
        UserError: no such directory, no images in it, images of several sizes and no `image_size`, or another layout.
    """
    if not data.dir:
        raise errors.UserError("a folder of images is asked for: set --config.data.dir to it (or to a .zip of one)")
    path = Path(data.dir).expanduser()
    unused_files.check_not_a_run(path)
    store = stores.open_path(path)
    for sentence in store.unused.said():
        progress.say(sentence)
    list_path = Path(data.split_file).expanduser() if data.split_file else None
    identity = [store.identity(), data.layout, list_path and split_list.identity(list_path)]
    return cache.fetch(data, path.stem, identity, recipe, lambda: _plan(data, path, store, list_path, recipe), report)


def _plan(data, path: Path, store, list_path: Path | None, recipe: images.Recipe) -> build.Plan:
    sizes = {member.name: member.size for member in store.members}
    if not sizes:
        others = f"; it holds {store.unused.counted()}" if store.unused.suffixes else ""
        raise errors.UserError(
            f"there are no images in {path}: set --config.data.dir to a directory (or .zip) of "
            f"{unused_files.COMMON_SUFFIXES} files{others}"
        )
    found = layout.read_layout(sizes, data.layout)
    groups, said = found.groups, found.said
    if list_path is not None:
        names = list(sizes)
        rows, told = split_list.assign(list_path, names)
        groups = {split: [names[row] for row in listed] for split, listed in rows.items()}
        found, classes_said = _classes_of(found, groups)
        said = (*told, *classes_said)
    hold_out = "valid" not in groups
    if hold_out:
        train = groups.get("train", [])
        groups = groups | {"train": [train[i] for i in holdout.holdout_order(len(train))]}
    num_bytes = sum(sizes[name] for group in groups.values() for name in group)
    files = {split: list(group) for split, group in groups.items()}
    if recipe.frames == "all":
        groups = {split: _frames(store, group) for split, group in files.items()}
    in_order = [images.frame_of(name, recipe)[0] for group in groups.values() for name in group]
    return build.Plan(store, groups, num_bytes, lambda: _labels(found, in_order), said, hold_out)


def _classes_of(found: layout.Layout, groups: dict[str, list[str]]) -> tuple[layout.Layout, list[str]]:
    """Return the layout without classes if a listed image has none, and a sentence about the classes."""
    listed = [name for group in groups.values() for name in group]
    bare = [name for name in listed if name not in found.classes]
    if not bare:
        return found, [f"classes {progress.names(list(found.label_names), 10)}"]
    if len(bare) < len(listed):
        said = [
            f"{len(bare):,} listed images are in no class directory, so labels are not used: {progress.names(bare)}"
        ]
        return layout.Layout(groups, {}, ()), said
    return found, []


def _labels(found: layout.Layout, names: list[str]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    if not any(name in found.classes for name in names):
        return {}, ()
    return {"label": found.labels(names)}, found.label_names


def _frames(store, names: list[str]) -> list[str]:
    """Return the names of every frame of every file, "a.gif/0", "a.gif/1" and so on; "b.png" where there is one."""
    frames = []
    for name in names:
        try:
            count = images.count_frames(store.read(name)[0]) if name.lower().endswith(images.ANIMATED) else 1
        except images.Unusable:
            count = 1
        frames += [name] if count == 1 else [f"{name}/{number}" for number in range(count)]
    return frames
