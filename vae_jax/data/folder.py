"""Any tree of images, or a .zip of one, in place."""

from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import cache, dataset, images, progress, stores


def load(data, recipe: images.Recipe, report: progress.Report | None = None) -> dataset.Dataset:
    """The images below `data.dir`; the first directory level is the label, if every image has one.

    A lone directory around everything (as zips have) is looked through where there are directories in it. The
    last `data.valid_fraction` of a fixed shuffle is the validation split.

    Raises:
        UserError: no such directory, no images in it, or images of several sizes and no `image_size`.
    """
    if not data.dir:
        raise errors.UserError("a folder of images is asked for: set --config.data.dir to it (or to a .zip of one)")
    path = Path(data.dir).expanduser()
    store = stores.open_path(path)

    def plan() -> cache.Plan:
        members = store.members
        if not members:
            raise errors.UserError(
                f"there are no images in {path}: set --config.data.dir to a directory (or .zip) of "
                + " ".join(sorted(images.SUFFIXES)[:5])
                + " ... files"
            )
        members = [members[i] for i in dataset.holdout_order(len(members))]
        names = [member.name for member in members]
        return cache.Plan(
            store,
            {"train": names},
            sum(member.size for member in members),
            labels=lambda: labels_of(names),
            hold_out=True,
        )

    return cache.fetch(data, path.stem, store.identity(), recipe, plan, report)


def labels_of(names: list[str]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """{"label": int32 [N]} by the first directory of each name, and the classes in order of name."""
    parts = [name.split("/") for name in names]
    while len({part[0] for part in parts}) == 1 and all(len(part) > 2 for part in parts):
        parts = [part[1:] for part in parts]
    if any(len(part) == 1 for part in parts):
        return {}, ()
    classes = sorted({part[0] for part in parts})
    number = {name: i for i, name in enumerate(classes)}
    return {"label": np.array([number[part[0]] for part in parts], np.int32)}, tuple(classes)
