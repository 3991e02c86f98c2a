"""Checks of a checkpoint's arrays: that they are the arrays that were saved, of the right model, finite, and readable.

Nothing here reads a checkpoint; `checkpoint`, `stored_step` and `restore` do, and call these functions.
"""

import errno
import json
import math
import os
import pathlib
import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorstore

from vae_jax import errors

PyTree = Any

# The memory that arrays may claim: their files' bytes times a factor, because weights hardly compress, and a number of
# bytes beside, because small arrays of zeros compress well.
CLAIM_RATIO = 16
CLAIM_BYTES = 16 * 2**20

# Errors of the system that say nothing of a file's content, and the words of tensorstore, which raises ValueError.
_OUTSIDE = [errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE]
_OUTSIDE_WORDS = ["PERMISSION_DENIED", "RESOURCE_EXHAUSTED", *map(os.strerror, _OUTSIDE)]


def checksums(tree: PyTree) -> dict[str, int]:
    """Return the crc32 of the bytes, dtype and shape of each array by its path; a typed key counts as its data."""
    sums = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        array = np.ascontiguousarray(leaf)
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        header = f"{array.dtype}{array.shape}".encode()
        sums[name] = zlib.crc32(array.tobytes(), zlib.crc32(header))
    return sums


def verify(tree: PyTree, expected: dict[str, int]) -> None:
    """Raise ValueError, which names the first array whose checksum is not the expected one."""
    for name, value in checksums(tree).items():
        if expected.get(name) != value:
            raise ValueError(f"checksum of {name} does not match")


def is_damage(error: BaseException | None) -> bool:
    """Return whether an error in restoring arrays may come of the files' content, and not of rights, memory or disk.

    Args:
        error: what orbax or tensorstore raised; what caused it is looked at too.
    """
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _OUTSIDE):
            return False
        if any(words in str(error) for words in _OUTSIDE_WORDS):
            return False
        error = error.__cause__ or error.__context__
    return True


def check_claims(directory: pathlib.Path) -> None:
    """Raise ValueError if the headers of stored arrays claim more memory than files of their size can fill.

    tensorstore allocates the memory that a header claims before it reads. If there is not so much, the process is
    killed, which cannot be caught.

    Args:
        directory: of the state of one checkpoint, by a path as `orbax_path` makes it.
    """
    base = {"driver": "file", "path": f"{directory}/"}  # a URL would have its special characters read
    store = tensorstore.KvStore.open({"driver": "ocdbt", "base": base}).result()
    keys = store.list().result()
    files = [file for file in directory.rglob("*") if file.is_file()]
    if any(key.endswith(b"zarr.json") for key in keys) or any(file.name in (".zarray", "zarr.json") for file in files):
        raise ValueError("it holds arrays of another format")
    claimed = sum(_claimed(store[key]) for key in keys if key.endswith(b".zarray"))
    present = sum(file.stat().st_size for file in files)
    if claimed > CLAIM_RATIO * present + CLAIM_BYTES:
        raise ValueError(f"its arrays claim {claimed} bytes, which files of {present} cannot hold")


def _claimed(header: bytes) -> int:
    """Return how many bytes are allocated to read an array: those of the array or of one chunk, whichever is larger."""
    fields = json.loads(header)
    try:
        sizes = [int(size) for size in (*fields["shape"], *fields["chunks"])]
        itemsize = np.dtype(fields["dtype"]).itemsize
    except (TypeError, KeyError) as error:
        raise ValueError(f"the header of an array cannot be read ({error})") from None
    if min(sizes, default=1) < 0:
        raise ValueError("an array claims a negative size")
    return itemsize * max(math.prod(sizes[: len(fields["shape"])]), math.prod(sizes[len(fields["shape"]) :]))


def check_finite(tree: PyTree, what: str) -> None:
    """Raise if an array holds NaN or an infinity, because every image and number of such a model is meaningless.

    Args:
        tree: a model's variables.
        what: the checkpoint that holds them, for the message.

    Raises:
        errors.UserError: names the first such array and how many of its values are not finite.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        wrong = int(np.sum(~np.isfinite(leaf)))
        if wrong:
            name = jax.tree_util.keystr(path, simple=True, separator="/")
            raise errors.UserError(
                f"{what} holds {name}, of whose {leaf.size} values {wrong} are not finite numbers; "
                "use an earlier one by --checkpoint=STEP, and train with a lower config.optimizer.learning_rate"
            )


def check_same_model(stored: PyTree, expected: PyTree) -> None:
    """Raise errors.UserError, naming the first array that differs, unless two models' variables have equal shapes."""

    def shapes(tree: PyTree) -> dict[str, tuple[int, ...]]:
        leaves = jax.tree_util.tree_leaves_with_path(tree)
        return {jax.tree_util.keystr(path, simple=True, separator="/"): tuple(leaf.shape) for path, leaf in leaves}

    there, here = shapes(stored), shapes(expected)
    for name in sorted(there.keys() | here.keys()):
        if there.get(name) != here.get(name):
            raise errors.UserError(
                f"the checkpoint is of another model: {name} is {there.get(name, 'absent')} there and "
                f"{here.get(name, 'absent')} here; use its own config or another --workdir"
            )
