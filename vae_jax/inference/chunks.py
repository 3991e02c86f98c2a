"""Compiled calls of a function on arrays of any length, in padded chunks of rows, so that few shapes are compiled.

`sampling` and `evaluation` call networks through these functions.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

CHUNK = 256  # rows (images or latents) in one call of a network


def pad(array: np.ndarray, size: int) -> np.ndarray:
    """Return the array with its first row appended until there are `size` rows.

    A compiled call on chunks of different lengths then sees one shape.
    """
    return np.concatenate([array, array[:1].repeat(size - len(array), axis=0)])


def in_chunks(function: Callable[[Any], Any], rows: Any, size: int = CHUNK) -> Any:
    """Return function(rows), computed for `size` rows at a time, where the last chunk is padded to a power of two.

    Args:
        function: a compiled function of a tree of arrays [n, ...], whose result for a row depends on no other row.
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
