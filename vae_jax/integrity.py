"""Whether arrays are what was saved, and of the model that is asked for."""

import zlib
from typing import Any

import jax
import numpy as np

from vae_jax import errors

PyTree = Any


def checksums(tree: PyTree) -> dict[str, int]:
    """Return {path of a leaf: crc32 of its bytes, dtype and shape}; a typed key counts as its data."""
    sums = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        array = np.ascontiguousarray(leaf)
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        header = f"{array.dtype}{array.shape}".encode()
        sums[name] = zlib.crc32(array.tobytes(), zlib.crc32(header))
    return sums


def verify(tree: PyTree, expected: dict[str, int]) -> None:
    """Raise ValueError, naming the first array whose checksum is not the expected one."""
    for name, value in checksums(tree).items():
        if expected.get(name) != value:
            raise ValueError(f"checksum of {name} does not match")


def check_same_model(stored: PyTree, expected: PyTree) -> None:
    """Raise errors.UserError, naming the first array that differs, unless params and batch_stats have equal shapes."""

    def shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
        fields = {name: tree.get(name) or {} for name in ("params", "batch_stats")}
        leaves = jax.tree_util.tree_leaves_with_path(fields)
        return {jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape) for path, leaf in leaves}

    there, here = shapes(stored), shapes(expected)
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            raise errors.UserError(
                f"the checkpoint is of another model: {name} is {there.get(name, 'absent')} there and "
                f"{here.get(name, 'absent')} here; use its own config or another --workdir"
            )
