"""Compiled calls on arrays of any length: a chunk of rows at a time, padded, so that few shapes compile."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

CHUNK = 256  # images in one call of a network


def pad(array: np.ndarray, size: int) -> np.ndarray:
    """Repeat the first row until there are `size`, so that a compiled call sees one shape."""
    return np.concatenate([array, array[:1].repeat(size - len(array), axis=0)])


def in_chunks(function: Callable[[Any], Any], array: np.ndarray, size: int = CHUNK) -> Any:
    """Apply to `size` rows at a time, the last call padded to a power of two; a tree of numpy arrays, rows first."""
    parts = []
    for start in range(0, len(array), size):
        part = np.asarray(array[start : start + size])
        padded = pad(part, min(size, 1 << (len(part) - 1).bit_length()))
        parts.append(jax.tree.map(np.asarray, function(padded)))
    joined = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    return jax.tree.map(lambda leaf: leaf[: len(array)], joined)
