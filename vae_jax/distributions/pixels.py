"""The shapes of predictions [*S, B, H, W, C] and of images [B, H, W, C], and sums over pixels.

The likelihoods of this room and the reconstruction functions in `losses.similarity` use these functions. The shapes of
latents are in `shapes`.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Images = Float[Array, "B H W C"]
Pred = Float[Array, "*S B H W C"]
Nats = Float[Array, "*S B"]


def at_least_float32(x: jax.Array) -> jax.Array:
    """Return an array in float32, or in its own type if that is wider.

    Sums over pixels need this precision, even if the network computes in bfloat16.
    """
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def match(pred: Pred, x: Images) -> tuple[Pred, Pred]:
    """Return pred, and x repeated along the sample axes of pred, both in float32.

    Args:
        pred: [*S, B, H, W, C].
        x: images, [B, H, W, C].

    Raises:
        ValueError: the last four axes differ. Broadcasting would hide this mistake, such as one channel in place of
            three.
    """
    shape, image_shape = jnp.shape(pred), jnp.shape(x)
    if len(image_shape) != 4 or shape[-4:] != image_shape:
        raise ValueError(f"prediction {shape} does not end in the shape [B, H, W, C] of the images {image_shape}")
    return at_least_float32(pred), jnp.broadcast_to(at_least_float32(x), shape)


def match_pixels(pred: Pred, x: Images) -> tuple[Float[Array, "*S B h w c"], Float[Array, "*S B h w c"]]:
    """Return what `match` returns, with the pixels of grey images in one row, [*S, B, 1, 1, H W].

    The function is for sums of terms of single pixels. On a CPU, the innermost loop runs along the last axis, so that
    an axis of one channel is slow: the value and gradient of `densities.bernoulli` at [5, 100, 28, 28, 1] took five
    times as long with `match`.
    """
    pred, x = match(pred, x)
    if x.shape[-1] != 1:
        return pred, x
    rows = (*x.shape[:-3], 1, 1, math.prod(x.shape[-3:]))
    return pred.reshape(rows), x.reshape(rows)


def sum_pixels(nats: Pred) -> Nats:
    """Return the sums of [*S, B, H, W, C] over each image, [*S, B]."""
    return nats.sum(axis=(-3, -2, -1))


def per_example(nats: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return the result of a reconstruction function after a check that it has one number for each sample and image.

    Args:
        nats: the result of a reconstruction function.
        shape: the shape that the result must have, [*S, B].

    Raises:
        ValueError: the result has another shape. The mean over the batch would hide this mistake, because it would
            become a mean over pixels.
    """
    if jnp.shape(nats) != tuple(shape):
        raise ValueError(
            f"a reconstruction function must return one number for each image, an array of shape {tuple(shape)}, "
            f"and it returned one of shape {jnp.shape(nats)}"
        )
    return nats
