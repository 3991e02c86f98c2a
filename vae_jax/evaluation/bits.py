"""Nats per image as bits per dimension, where the likelihood is a mass or a density of the pixels.

    bits = -nats / (P ln 2) + offset,    P = H * W * C

A mass has offset 0. A density of x = low + (high - low) u is one of grey levels after the change of variables: with
u = (v + noise) / 256 the offset is log2(256 / (high - low)), 8 on [0, 1] and 7 on [-1, 1].
"""

import math
from typing import NamedTuple

import numpy as np

from vae_jax.distributions import LIKELIHOODS


class Bits(NamedTuple):
    """What is added to -nats / (P ln 2), or None where there are no bits; and what they are, or why not."""

    offset: float | None
    meaning: str


def bits_of(likelihood: str, data_range: tuple[float, float], *, dequantize: bool, binary: bool) -> Bits:
    """Say how nats under a likelihood become bits.

    Args:
        likelihood: a key of LIKELIHOODS, or a function of the user's own, of which nothing is known.
        data_range: (low, high) of the model's pixels.
        dequantize: whether uniform noise of one grey level was added.
        binary: whether every pixel is black or white.
    """
    low, high = data_range
    if likelihood not in LIKELIHOODS:
        return Bits(None, f"{likelihood} is not a likelihood of the table in `distributions`")
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
    """Bits per dimension of a log-likelihood or a bound of it."""
    return -nats / (math.prod(image_shape) * math.log(2.0)) + offset


def is_binary(images: np.ndarray) -> bool:
    """Whether uint8 images hold 0 and 255 alone."""
    return all(bool(np.isin(images[start : start + 1024], (0, 255)).all()) for start in range(0, len(images), 1024))
