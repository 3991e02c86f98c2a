"""Compiled calls on arrays of any length: a chunk of rows at a time, padded, so that few shapes compile."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

CHUNK = 256  # images in one call of a network


def pad(array: np.ndarray, size: int) -> np.ndarray:
    """Return the array with its first row repeated until there are `size` rows, so that a compiled call sees one shape."""
    return np.concatenate([array, array[:1].repeat(size - len(array), axis=0)])


def in_chunks(function: Callable[[Any], Any], rows: Any, size: int = CHUNK) -> Any:
    """Return function(rows), computed for `size` rows at a time, the last call padded to a power of two.

    Args:
        function: a compiled function of a tree of arrays, rows first, that treats each row by itself.
        rows: a tree of arrays [N, ...].
        size: rows in one call.

    Returns:
        A tree of numpy arrays [N, ...].
    """
    num = len(jax.tree.leaves(rows)[0])
    parts = []
    for start in range(0, num, size):
        part = jax.tree.map(lambda leaf, first=start: np.asarray(leaf[first : first + size]), rows)
        length = min(size, num - start)
        padded = min(size, 1 << (length - 1).bit_length())
        result = function(jax.tree.map(lambda leaf, to=padded: pad(leaf, to), part))
        parts.append(jax.tree.map(lambda leaf, to=length: np.asarray(leaf)[:to], result))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
