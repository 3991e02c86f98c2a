"""Named streams of noise: every consumer derives its own key from the one it was handed."""

import zlib

import jax


def fold_in_name(key: jax.Array, name: str) -> jax.Array:
    """Derive the key of the consumer `name`; the same in every process and every run.

    crc32 rather than `hash`, which Python salts anew in each process.
    """
    return jax.random.fold_in(key, zlib.crc32(name.encode()))
