"""Nats per image as bits per dimension, where the likelihood is a mass or a density of the pixels.

    bits = -nats / (P ln 2) + offset,    P = H * W * C

A mass has offset 0. A density of x = low + (high - low) u becomes a density of grey levels by the change of variables:
with u = (v + noise) / 256 the offset is log2(256 / (high - low)), which is 8 on [0, 1] and 7 on [-1, 1].
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from vae_jax.distributions import LIKELIHOODS
from vae_jax.losses.reconstruction import RECONSTRUCTIONS


class Bits(NamedTuple):
    """How nats become bits per dimension.

    Attributes:
        offset: what is added to -nats / (P ln 2); None where there are no bits.
        meaning: what the bits are of, or why there are none.
    """

    offset: float | None
    meaning: str


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a reconstruction function in the table of `losses.reconstruction`, else the function's own."""
    while isinstance(function, functools.partial):
        function = function.func
    known = [name for name, other in RECONSTRUCTIONS.items() if other is function]
    return known[0] if known else getattr(function, "__name__", type(function).__name__)


def bits_of(likelihood: str, data_range: tuple[float, float], *, dequantize: bool, binary: bool) -> Bits:
    """Return how nats under a likelihood become bits per dimension.

    Args:
        likelihood: the name of a reconstruction function; nothing is known of one that is not in `LIKELIHOODS`.
        data_range: (low, high) of the model's pixels.
        dequantize: whether uniform noise of one grey level was added.
        binary: whether every pixel is black or white.
    """
    low, high = data_range
    if likelihood in RECONSTRUCTIONS and likelihood not in LIKELIHOODS:
        return Bits(None, f"{likelihood} is not a likelihood")
    if likelihood not in LIKELIHOODS:
        return Bits(None, f"whether {likelihood} is a density or a mass of the pixels is not known here")
    if likelihood == "bernoulli":
        if binary:
            return Bits(0.0, "of binary values")
        return Bits(None, "grey levels read as probabilities have no density; nats compare such runs alone")
    if likelihood.startswith("discretized"):
        return Bits(0.0, "of 8-bit values")
    if binary:
        return Bits(None, "a density of black and white alone may be as high as one likes")
    if dequantize:
        return Bits(math.log2(256.0 / (high - low)), "of 8-bit values, an upper bound (dequantised)")
    return Bits(math.log2(255.0 / (high - low)), "a density by grey level; not a code length (not dequantised)")


def per_dimension(nats: float, image_shape: tuple[int, ...], offset: float) -> float:
    """Return the bits per dimension of a log-likelihood, or of a bound of one, in nats per image."""
    return -nats / (math.prod(image_shape) * math.log(2.0)) + offset


def is_binary(images: np.ndarray) -> bool:
    """Return whether uint8 images hold no value but 0 and 255."""
    return all(bool(np.isin(images[start : start + 1024], (0, 255)).all()) for start in range(0, len(images), 1024))
