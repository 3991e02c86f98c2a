"""The source "digits": scikit-learn's 1,797 handwritten digits, 8 x 8 x 1, which need no download."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from vae_jax.data import dataset, images, in_memory


def digits(data, recipe: images.Recipe) -> dataset.Dataset:
    """Return scikit-learn's digits, their values 0 to 16 scaled to 0 to 255. There is no test split."""
    table = _digits_table()
    split = {
        "image": np.round(table[:, :-1].reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8),
        "label": table[:, -1].astype(np.int32),
    }
    return in_memory.finish("digits", {"train": split}, data, recipe, tuple("0123456789"))


def _digits_table() -> np.ndarray:
    """Return the pixels and the label of each digit, [1797, 65], from scikit-learn's file.

    scikit-learn is not imported if that can be avoided: its import takes longer than all else before a first step.
    """
    package = importlib.util.find_spec("sklearn")
    for place in package.submodule_search_locations or () if package else ():
        path = Path(place) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            with gzip.open(path, "rt") as file:
                return np.loadtxt(file, delimiter=",")
    from sklearn import datasets

    pixels, labels = datasets.load_digits(return_X_y=True)
    return np.column_stack([np.asarray(pixels), np.asarray(labels)])
