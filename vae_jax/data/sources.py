"""The named sources of `config.data.source`, and `load`, which returns the Dataset of one of them.

A new source is one function in a file of its own and one line in a table here.
"""

import difflib

from vae_jax import errors
from vae_jax.data import arrays, axes, celeba, cifar, dataset, digits, folder, holdout, idx, images, progress

# Sources whose images are arrays, in memory: (config.data, recipe) -> Dataset.
ARRAYS = {"digits": digits.digits, "idx": idx.idx, "npz": arrays.npz, "cifar": cifar.cifar}
# Sources of encoded files, decoded once into the cache: (config.data, recipe, report) -> Dataset.
FILES = {"folder": folder.load, "celeba": celeba.load}


def load(data, *, report: progress.Report | None = None) -> dataset.Dataset:
    """Return the data set that `config.data` describes. Its splits are the same for every seed of a run.

    What was found, and what is left out, is said on stderr.

    Args:
        data: the config section; reads all fields about what the data are and how an image becomes pixels.
        report: called with (done, total) while images are decoded, in place of the progress line.

    Raises:
        UserError: an unknown source or crop, or data that are missing or unusable.
    """
    recipe = _recipe(data)
    if data.source in ARRAYS:
        return ARRAYS[data.source](data, recipe)
    if data.source in FILES:
        return FILES[data.source](data, recipe, report)
    kind, _, name = data.source.partition(":")
    if kind == "tfds" and name:
        from vae_jax.data import tfds

        return tfds.load(name, data, recipe, report)
    raise errors.UserError(_unknown("data.source", data.source, [*ARRAYS, *FILES, "tfds:NAME"]))


def _recipe(data) -> images.Recipe:
    """Return how a picture becomes pixels, after checking the fields that every source reads."""
    for field, known in (("crop", images.CROPS), ("duplicates", holdout.POLICIES), ("frames", axes.FRAMES)):
        if data[field] not in known:
            raise errors.UserError(_unknown(f"data.{field}", data[field], list(known)))
    size = tuple(data.image_size)
    if len(size) not in (0, 2) or not all(isinstance(n, int) and 0 < n <= 4096 for n in size):
        raise errors.UserError(f"data.image_size is {size}: give (height, width), each from 1 to 4096, or ()")
    levels = tuple(float(value) for value in data.value_range)
    if levels and not (len(levels) == 2 and levels[0] < levels[1]):
        raise errors.UserError(f"data.value_range is {levels}: give LOW,HIGH, the values of black and white, or ()")
    return images.Recipe(data.crop, size, value_range=levels, frames=data.frames)


def _unknown(field: str, value: str, known: list[str]) -> str:
    near = difflib.get_close_matches(value, known, n=2, cutoff=0.4)
    meant = f", did you mean {' or '.join(near)}?" if near else ":"
    return f"unknown {field} {value!r}{meant} known are {', '.join(known)}"
