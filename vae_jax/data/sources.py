"""Named sources -> a Dataset. A new source is one function here: (config.data, recipe) -> Dataset."""

import difflib

from vae_jax import errors
from vae_jax.data import arrays, celeba, dataset, folder, images, progress

# Sources of pixels, in memory.
ARRAYS = {"digits": arrays.digits, "idx": arrays.idx, "npz": arrays.npz}
# Sources of encoded files, decoded once into the cache.
FILES = {"folder": folder.load, "celeba": celeba.load}


def load(data, *, report: progress.Report | None = None) -> dataset.Dataset:
    """Load the data set that `config.data` describes.

    Needs no seed: splits are the same for every seed.

    Args:
        data: the config section; reads source, dir, cache_dir, image_size, crop and valid_fraction.
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
        from vae_jax.data import stock

        return stock.load(name, data, recipe, report)
    raise errors.UserError(_unknown("data.source", data.source, [*ARRAYS, *FILES, "tfds:NAME"]))


def _recipe(data) -> images.Recipe:
    if data.crop not in images.CROPS:
        raise errors.UserError(_unknown("data.crop", data.crop, list(images.CROPS)))
    size = tuple(data.image_size)
    if len(size) not in (0, 2) or not all(isinstance(n, int) and 0 < n <= 4096 for n in size):
        raise errors.UserError(f"data.image_size is {size}: give (height, width), each from 1 to 4096, or ()")
    return images.Recipe(data.crop, size)


def _unknown(field: str, value: str, known: list[str]) -> str:
    near = difflib.get_close_matches(value, known, n=2, cutoff=0.4)
    meant = f", did you mean {' or '.join(near)}?" if near else ":"
    return f"unknown {field} {value!r}{meant} known are {', '.join(known)}"
