"""Shapes that every reconstruction term shares: predictions [*S, B, H, W, C] against images [B, H, W, C]."""

import math

import jax
import jax.numpy as jnp


def at_least_float32(x: jax.Array) -> jax.Array:
    """Sums over pixels are taken in float32, even where the network computes in bfloat16."""
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def match(pred: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return pred [*S, B, H, W, C] and x spread along its sample axes, both in float32.

    Raises:
        ValueError: the last four axes differ. Broadcasting would pass one channel off as three in silence.
    """
    shape, image_shape = jnp.shape(pred), jnp.shape(x)
    if len(image_shape) != 4 or shape[-4:] != image_shape:
        raise ValueError(f"prediction {shape} does not end in the shape [B, H, W, C] of the images {image_shape}")
    return at_least_float32(pred), jnp.broadcast_to(at_least_float32(x), shape)


def match_pixels(pred: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`match`, for terms that look at one pixel at a time: grey images come back as rows, [*S, B, 1, 1, H W].

    A CPU's innermost loop runs along the last axis, and over one channel it is no loop: a Bernoulli's value and
    gradient at [5, 100, 28, 28, 1] took five times as long.
    """
    pred, x = match(pred, x)
    if x.shape[-1] != 1:
        return pred, x
    rows = (*x.shape[:-3], 1, 1, math.prod(x.shape[-3:]))
    return pred.reshape(rows), x.reshape(rows)


def sum_pixels(nats: jax.Array) -> jax.Array:
    """Sum [*S, B, H, W, C] over the image: [*S, B]."""
    return nats.sum(axis=(-3, -2, -1))


def per_example(nats: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return what a reconstruction function gave, if that is one number for each sample and image, [*S, B].

    Raises:
        ValueError: it is not. The mean over the batch would make it one over pixels in silence.
    """
    if jnp.shape(nats) != tuple(shape):
        raise ValueError(f"a reconstruction function returned {jnp.shape(nats)} where {tuple(shape)} is due")
    return nats
