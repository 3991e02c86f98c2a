"""Importance-weighted objectives: bounds of log p(x) made of several samples of each posterior.

    log w_k = log p(x|z_k) + log p(z_k) - log q(z_k|x),    L(M, K) = mean_m (LSE_k log w_mk - ln K)

over M groups of K samples: M = 1 is IWAE, K = 1 is the ELBO. The gradient is that of a surrogate,

    sum_k a_k log w_k,    a_mk = softmax_k(log w_m) / M, held fixed,

in which decoder and encoder may have weights of their own (PIWAE, doubly reparameterised gradients):

    sum_k e_k log w_k(z_k) + (d_k - e_k) log w_k(z_k held fixed)

is sum_k d_k to the decoder and sum_k e_k to the encoder. The second pass through the decoder has the values of the
first, and the compiler keeps one of the two; only its backward pass comes on top.

`gradient`, for the encoder: "standard" is that of the bound. "stl" (Roeder et al., 2017, arXiv 1703.09194) leaves
out what flows into q's own parameters in log q, a score with mean 0 for the ELBO alone: biased for K > 1. "dreg"
(Tucker et al., 2019, arXiv 1810.04152) leaves it out as well and squares the weights of a group, which is unbiased.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from vae_jax import errors, limits
from vae_jax.distributions import Latents, draw, prior_of
from vae_jax.distributions.pixels import per_example
from vae_jax.losses.reconstruction import is_normalised
from vae_jax.random import fold_in_name

GRADIENTS = ("standard", "stl", "dreg")

Mixture = Sequence[tuple[float, int]]  # of bounds: (coefficient, number of groups M), the coefficients sum to 1
Result = tuple[jax.Array, dict[str, jax.Array]]


def check_gradient(gradient: str) -> None:
    if gradient not in GRADIENTS:
        raise errors.OutOfRange(f"gradient is one of {', '.join(GRADIENTS)}, not {gradient!r}")


def iwae_loss(
    vae: Any,
    batch: Mapping[str, jax.Array],
    key: jax.Array,
    step: jax.Array | int = 0,
    *,
    reconstruction: Callable[..., jax.Array],
    num_samples: int,
    gradient: str = "standard",
) -> Result:
    """-mean_b (LSE_k log w_k - ln K), K = num_samples.

    Reference: Burda et al., 2016, arXiv 1509.00519, equations 8 (bound) and 14 (gradient).
    """
    del step
    bound = [(1.0, 1)]
    return _loss(vae, batch, key, reconstruction, num_samples, decoder=bound, encoder=bound, gradient=gradient)


def miwae_loss(
    vae: Any,
    batch: Mapping[str, jax.Array],
    key: jax.Array,
    step: jax.Array | int = 0,
    *,
    reconstruction: Callable[..., jax.Array],
    num_samples: int,
    num_groups: int,
    gradient: str = "standard",
) -> Result:
    """-mean_b L(M, K), M = num_groups, K = num_samples: a looser bound whose encoder gradient has less noise.

    Reference: Rainforth et al., 2018, arXiv 1802.04537.
    """
    del step
    limits.at_least(1, num_groups=num_groups)
    bound, total = [(1.0, num_groups)], num_groups * num_samples
    loss, metrics = _loss(vae, batch, key, reconstruction, total, decoder=bound, encoder=bound, gradient=gradient)
    return loss, _with_own_bound("miwae", loss, metrics)


def piwae_loss(
    vae: Any,
    batch: Mapping[str, jax.Array],
    key: jax.Array,
    step: jax.Array | int = 0,
    *,
    reconstruction: Callable[..., jax.Array],
    num_samples: int,
    num_groups: int,
    gradient: str = "standard",
) -> Result:
    """-mean_b L(1, M K) in value and to the decoder, -mean_b L(M, K) to the encoder, from the same samples.

    Reference: Rainforth et al., 2018, arXiv 1802.04537.
    """
    del step
    limits.at_least(1, num_groups=num_groups)
    decoder, encoder, total = [(1.0, 1)], [(1.0, num_groups)], num_groups * num_samples
    return _loss(vae, batch, key, reconstruction, total, decoder=decoder, encoder=encoder, gradient=gradient)


def ciwae_loss(
    vae: Any,
    batch: Mapping[str, jax.Array],
    key: jax.Array,
    step: jax.Array | int = 0,
    *,
    reconstruction: Callable[..., jax.Array],
    num_samples: int,
    beta: float = 0.5,
    gradient: str = "standard",
) -> Result:
    """-mean_b [beta * mean_k log w_k + (1 - beta) * (LSE_k log w_k - ln K)], K = num_samples.

    Reference: Rainforth et al., 2018, arXiv 1802.04537.
    """
    del step
    bound = [(beta, num_samples), (1.0 - beta, 1)]
    loss, metrics = _loss(vae, batch, key, reconstruction, num_samples, decoder=bound, encoder=bound, gradient=gradient)
    return loss, _with_own_bound("ciwae", loss, metrics)


def _loss(
    vae: Any,
    batch: Mapping[str, jax.Array],
    key: jax.Array,
    reconstruction: Callable[..., jax.Array],
    num_samples: int,
    *,
    decoder: Mixture,
    encoder: Mixture,
    gradient: str,
) -> Result:
    """Return the loss whose value is the decoder's bound, and the metrics of all of this file's objectives."""
    check_gradient(gradient)
    x = batch["image"]  # [B, H, W, C]
    latents = draw(vae, x, fold_in_name(key, "z"), num_samples, path=gradient != "standard")
    if latents.log_q is None or latents.log_p is None or latents.kl is None:
        raise errors.OutOfRange("an importance-weighted bound needs a posterior with a density: use the elbo objective")
    distortion = distortion_of_samples(vae, x, latents.z, reconstruction)  # [K, B]
    log_w = latents.log_p - latents.log_q - distortion
    fixed = jax.lax.stop_gradient(log_w)
    decoder_weights = _weights(fixed, decoder, squared=False)
    encoder_weights = _weights(fixed, encoder, squared=gradient == "dreg")
    surrogate = (encoder_weights * log_w).sum(0)  # [B]
    if encoder != decoder or gradient == "dreg":
        held = _log_weights_of_held_samples(vae, x, latents, reconstruction)
        surrogate = surrogate + ((decoder_weights - encoder_weights) * held).sum(0)
    bound = sum(part * importance_bound(fixed, groups) for part, groups in decoder)
    loss = -(bound + (surrogate - jax.lax.stop_gradient(surrogate))).mean()

    metrics = {"loss": loss, "distortion": distortion.mean(), "kl": latents.kl.sum(-1).mean()}
    metrics["rate"] = (latents.log_q - latents.log_p).mean()
    if is_normalised(reconstruction):
        metrics["elbo"] = fixed.mean()
        metrics["iwae"] = importance_bound(fixed, 1).mean()
    return loss, metrics


def distortion_of_samples(vae: Any, x: jax.Array, z: Any, reconstruction: Callable[..., jax.Array]) -> jax.Array:
    """Return -log p(x|z) of K samples of each image, [K, B] nats; the samples are folded into the batch axis.

    Args:
        vae: decode.
        x: images, [B, H, W, C].
        z: latents, [K, B, ...] or a tree of such arrays.
        reconstruction: (pred [K, B, ...], x) -> [K, B].
    """
    lead = jax.tree.leaves(z)[0].shape[:2]
    folded = jax.tree.map(lambda leaf: leaf.reshape(math.prod(lead), *leaf.shape[2:]), z)
    pred = jax.tree.map(lambda leaf: leaf.reshape(*lead, *leaf.shape[1:]) if leaf.ndim else leaf, vae.decode(folded))
    return per_example(reconstruction(pred, x), lead)


def _log_weights_of_held_samples(
    vae: Any, x: jax.Array, latents: Latents, reconstruction: Callable[..., jax.Array]
) -> jax.Array:
    """Return log w [K, B] through which gradients reach the decoder and the prior, and not the encoder."""
    if latents.posterior is None:
        raise errors.OutOfRange("separate gradients of encoder and decoder need one posterior: use gradient=standard")
    z, log_q = jax.lax.stop_gradient((latents.z, latents.log_q))
    log_p = prior_of(vae, jax.lax.stop_gradient(latents.posterior)).log_prob(z)
    return log_p - log_q - distortion_of_samples(vae, x, z, reconstruction)


def importance_bound(log_w: jax.Array, num_groups: int = 1) -> jax.Array:
    """L(M, K) = mean_m (LSE_k log w_mk - ln K) of log_w [M K, B]: [B]."""
    groups = _grouped(log_w, num_groups)
    return (jax.nn.logsumexp(groups, axis=1) - jnp.log(groups.shape[1])).mean(0)


def _weights(log_w: jax.Array, mixture: Mixture, *, squared: bool) -> jax.Array:
    """The gradient of a mixture of bounds in log_w [K, B], or that with the softmax of each group squared."""
    total = jnp.zeros_like(log_w)
    for part, num_groups in mixture:
        weights = jax.nn.softmax(_grouped(log_w, num_groups), axis=1)
        weights = jnp.square(weights) if squared else weights
        total = total + part / num_groups * weights.reshape(log_w.shape)
    return total


def _grouped(log_w: jax.Array, num_groups: int) -> jax.Array:
    return log_w.reshape(num_groups, -1, *log_w.shape[1:])


def _with_own_bound(name: str, loss: jax.Array, metrics: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Report the objective's bound by its name, where it is one."""
    return {**metrics, name: -loss} if "elbo" in metrics else metrics
