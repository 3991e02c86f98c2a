"""Checks of what Python code passes to `vae_jax.sample` and its kin: one error that names the argument.

Each function returns the argument in the form that the caller computes with. The errors are `errors.OutOfRange`, which
is a ValueError too.
"""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import errors


def images(value: Any, image_shape: Sequence[int], name: str = "images") -> np.ndarray:
    """Return uint8 images [N, H, W, C], one or more; a list of images becomes an array."""
    expected = f"{name}: expected uint8 images [N, {', '.join(map(str, image_shape))}]"
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise errors.OutOfRange(f"{expected}, got a {type(value).__name__} of unequal shapes") from None
    if array.dtype != np.uint8 or array.shape[1:] != tuple(image_shape):
        hint = "; add an axis for one image: x[None]" if array.shape == tuple(image_shape) else ""
        raise errors.OutOfRange(f"{expected}, got {array.dtype} {array.shape}{hint}")
    if not len(array):
        raise errors.OutOfRange(f"{expected}, got none: N is 0")
    return array


def count(value: Any, name: str) -> int:
    """Return a whole number, 1 or more."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
        raise errors.OutOfRange(f"{name} must be a whole number, 1 or more, not {value!r}")
    return int(value)


def temperature(value: Any, name: str = "temperature") -> float:
    """Return a finite number, 0 or more."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not real or not math.isfinite(value) or value < 0:
        raise errors.OutOfRange(f"{name} must be a finite number, 0 or more, not {value!r}")
    return float(value)


def key(value: Any, name: str = "key") -> jax.Array:
    """Return a single key of jax.random."""
    if not isinstance(value, jax.Array) or not jnp.issubdtype(value.dtype, jax.dtypes.prng_key) or value.ndim:
        raise errors.OutOfRange(f"{name} must be one key, such as jax.random.key(0), not {value!r}")
    return value


def latents(value: Any, latent_dim: int, name: str = "z") -> np.ndarray:
    """Return finite latents, float32 [N, latent_dim], one or more."""
    array = np.asarray(value, np.float32)
    if array.ndim != 2 or array.shape[1] != latent_dim or not len(array):
        raise errors.OutOfRange(f"{name}: expected latents [N, {latent_dim}], one or more, got {array.shape}")
    if not np.isfinite(array).all():
        raise errors.OutOfRange(
            f"{name}: {int((~np.isfinite(array)).any(1).sum())} of {len(array)} rows are not finite"
        )
    return array
