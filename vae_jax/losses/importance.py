"""The log weights of several samples of each posterior, the bounds of log p(x) made of them, and their gradients.

The objectives in `bounds`, where the notation is explained, and `evaluation.bound` use these functions. Nothing here
draws samples: `distributions.draw` does.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax import errors
from vae_jax.distributions import Latents, prior_of
from vae_jax.distributions.pixels import per_example

# A weighted mean of bounds: (coefficient, number of groups M) of each, where the coefficients sum to 1.
Mixture = Sequence[tuple[float, int]]


def distortion_of_samples(
    vae: Any, x: Float[Array, "B H W C"], z: Any, reconstruction: Callable[..., jax.Array]
) -> Float[Array, "K B"]:
    """Return -log p(x|z) of K samples of each image in nats.

    The decoder sees one batch of K * B latents.

    Args:
        vae: has `decode`.
        x: images, [B, H, W, C].
        z: latents, [K, B, ...] or a tree of such arrays.
        reconstruction: (pred [K, B, ...], x) -> [K, B] nats.

    Returns:
        [K, B] nats.

    Raises:
        ValueError: the reconstruction function returned another shape than [K, B].
    """
    lead = jax.tree.leaves(z)[0].shape[:2]
    folded = jax.tree.map(lambda leaf: leaf.reshape(math.prod(lead), *leaf.shape[2:]), z)
    pred = jax.tree.map(lambda leaf: leaf.reshape(*lead, *leaf.shape[1:]) if leaf.ndim else leaf, vae.decode(folded))
    return per_example(reconstruction(pred, x), lead)


def log_weights_of_held_samples(
    vae: Any, x: Float[Array, "B H W C"], latents: Latents, reconstruction: Callable[..., jax.Array]
) -> Float[Array, "K B"]:
    """Return log w with gradients to the decoder and the prior only, and none to the encoder.

    Args:
        vae: has `decode`, and `prior` where it has a prior of its own.
        x: images, [B, H, W, C].
        latents: K samples of each posterior, as `distributions.draw` returns them.
        reconstruction: (pred [K, B, ...], x) -> [K, B] nats.

    Returns:
        [K, B] nats.

    Raises:
        errors.OutOfRange: the latents have no single posterior.
    """
    if latents.posterior is None:
        raise errors.OutOfRange("separate gradients of encoder and decoder need one posterior: use gradient=standard")
    z, log_q = jax.lax.stop_gradient((latents.z, latents.log_q))
    log_p = prior_of(vae, jax.lax.stop_gradient(latents.posterior)).log_prob(z)
    return log_p - log_q - distortion_of_samples(vae, x, z, reconstruction)


def importance_bound(log_w: Float[Array, "N B"], num_groups: int = 1) -> Float[Array, " B"]:
    """Return the bound L(M, K) = mean_m (LSE_k log w_mk - ln K) of log p(x) for each image.

    Args:
        log_w: log weights of N = M K samples of each image, [M K, B] nats.
        num_groups: M, groups of K samples.

    Returns:
        [B] nats.
    """
    groups = _grouped(log_w, num_groups)
    return (jax.nn.logsumexp(groups, axis=1) - jnp.log(groups.shape[1])).mean(0)


def bound_gradient(log_w: Float[Array, "N B"], mixture: Mixture, *, squared: bool) -> Float[Array, "N B"]:
    """Return the gradient of a weighted mean of bounds with respect to the log weights.

    Args:
        log_w: log weights of N samples of each image, [N, B] nats.
        mixture: the coefficient and the number of groups of each bound.
        squared: whether the softmax weights of each group are squared, as "dreg" needs.

    Returns:
        [N, B].
    """
    total = jnp.zeros_like(log_w)
    for part, num_groups in mixture:
        weights = jax.nn.softmax(_grouped(log_w, num_groups), axis=1)
        weights = jnp.square(weights) if squared else weights
        total = total + part / num_groups * weights.reshape(log_w.shape)
    return total


def _grouped(log_w: Float[Array, "N B"], num_groups: int) -> Float[Array, "M K B"]:
    return log_w.reshape(num_groups, -1, *log_w.shape[1:])
