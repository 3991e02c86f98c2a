"""The derivation of keys by name, for independent streams of noise.

Every function that draws noise receives a key, and derives from it one key for each of its uses.
"""

import zlib

import jax


def fold_in_name(key: jax.Array, name: str) -> jax.Array:
    """Return the key of the use `name`, which is the same in every process and in every run.

    Args:
        key: the key that the caller received.
        name: the use, such as "z" or "prior".
    """
    # crc32 and not `hash`, because Python salts `hash` differently in each process.
    return jax.random.fold_in(key, zlib.crc32(name.encode()))
