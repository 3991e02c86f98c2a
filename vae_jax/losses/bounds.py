"""Importance-weighted objectives, which are bounds of log p(x) computed from several samples of each posterior.

The log weight of a sample and the bound of M groups of K samples are

    log w_k = log p(x|z_k) + log p(z_k) - log q(z_k|x),    L(M, K) = mean_m (LSE_k log w_mk - ln K).

M = 1 is the bound of IWAE, and K = 1 is the ELBO. The gradient of the bound is the gradient of the surrogate

    sum_k a_k log w_k,    a_mk = softmax_k(log w_m) / M, held fixed.

The decoder and the encoder may have different weights d_k and e_k (PIWAE, doubly reparameterised gradients). The
surrogate is then

    sum_k e_k log w_k(z_k) + (d_k - e_k) log w_k(z_k held fixed).

Its gradient to the decoder has the weights d_k, and its gradient to the encoder has the weights e_k. The compiler
merges the forward pass of the second term with that of the first, so that only a backward pass is added.

The argument `gradient` of every objective chooses the gradient to the encoder:

* "standard" is the gradient of the bound.
* "stl" (Roeder et al., 2017, arXiv 1703.09194) leaves out the gradient of log q with respect to the parameters of q.
  Its expectation is 0 for the ELBO only, so that "stl" is biased for K > 1.
* "dreg" (Tucker et al., 2019, arXiv 1810.04152) also leaves this gradient out, and squares the weights of each group,
  which makes the gradient unbiased.

The log weights and the bounds are computed in `importance`. The objectives of one sample are in `objectives`, which
collects all objectives by name.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
from jaxtyping import Array, Float

from vae_jax import errors, limits
from vae_jax.distributions import draw
from vae_jax.losses.importance import (
    Mixture,
    bound_gradient,
    distortion_of_samples,
    importance_bound,
    log_weights_of_held_samples,
)
from vae_jax.losses.rate import Step
from vae_jax.losses.reconstruction import is_normalised
from vae_jax.random import fold_in_name

GRADIENTS = ("standard", "stl", "dreg")

Scalar = Float[Array, ""]
Result = tuple[Scalar, dict[str, jax.Array]]  # the loss, and metrics, [] each


def check_gradient(gradient: str) -> None:
    """Raise errors.OutOfRange if `gradient` is not one of `GRADIENTS`."""
    if gradient not in GRADIENTS:
        raise errors.OutOfRange(f"gradient must be one of {', '.join(GRADIENTS)}, not {gradient!r}")


def iwae_loss(
    vae: Any,
    batch: Mapping[str, jax.Array],
    key: jax.Array,
    step: Step = 0,
    *,
    reconstruction: Callable[..., jax.Array],
    num_samples: int,
    gradient: str = "standard",
) -> Result:
    """Return the negative importance-weighted bound of IWAE, and the metrics.

    The loss is -mean_b (LSE_k log w_k - ln K).

    Args:
        vae: has `encode` and `decode`.
        batch: {"image": [B, H, W, C]}.
        key: the only source of noise.
        step: not used.
        reconstruction: (pred [K, B, ...], x) -> [K, B] nats.
        num_samples: K, samples of each posterior.
        gradient: the gradient to the encoder, "standard", "stl" or "dreg".

    Returns:
        The loss [] and the raw metrics, among them the bound by the name "iwae" where the reconstruction function is a
        likelihood.

    Raises:
        errors.OutOfRange: `gradient` is unknown, or the posterior has no density.

    References:
        Burda et al., 2016, arXiv 1509.00519, equations 8 (bound) and 14 (gradient).
    """
    del step
    bound = [(1.0, 1)]
    return _loss(vae, batch, key, reconstruction, num_samples, decoder=bound, encoder=bound, gradient=gradient)


def miwae_loss(
    vae: Any,
    batch: Mapping[str, jax.Array],
    key: jax.Array,
    step: Step = 0,
    *,
    reconstruction: Callable[..., jax.Array],
    num_samples: int,
    num_groups: int,
    gradient: str = "standard",
) -> Result:
    """Return the negative mean of the bounds of several groups of samples (MIWAE), and the metrics.

    The loss is -mean_b L(M, K). The bound is looser than L(1, M K), and its gradient to the encoder has less noise.

    Args:
        vae, batch, key, step, reconstruction, gradient: as for `iwae_loss`.
        num_samples: K, samples in each group.
        num_groups: M, groups of samples.

    Returns:
        The loss [] and the raw metrics, as for `iwae_loss`, and the bound by the name "miwae".

    Raises:
        errors.OutOfRange: `num_groups` is below 1, or as for `iwae_loss`.

    References:
        Rainforth et al., 2018, arXiv 1802.04537.
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
    step: Step = 0,
    *,
    reconstruction: Callable[..., jax.Array],
    num_samples: int,
    num_groups: int,
    gradient: str = "standard",
) -> Result:
    """Return the loss of IWAE for the decoder and of MIWAE for the encoder (PIWAE), and the metrics.

    The value of the loss and its gradient to the decoder are those of -mean_b L(1, M K). The gradient to the encoder is
    that of -mean_b L(M, K). Both use the same samples.

    Args:
        vae, batch, key, step, reconstruction, gradient: as for `iwae_loss`.
        num_samples: K, samples in each group.
        num_groups: M, groups of samples.

    Returns:
        The loss [] and the raw metrics, as for `iwae_loss`.

    Raises:
        errors.OutOfRange: `num_groups` is below 1, or as for `iwae_loss`.

    References:
        Rainforth et al., 2018, arXiv 1802.04537.
    """
    del step
    limits.at_least(1, num_groups=num_groups)
    decoder, encoder, total = [(1.0, 1)], [(1.0, num_groups)], num_groups * num_samples
    return _loss(vae, batch, key, reconstruction, total, decoder=decoder, encoder=encoder, gradient=gradient)


def ciwae_loss(
    vae: Any,
    batch: Mapping[str, jax.Array],
    key: jax.Array,
    step: Step = 0,
    *,
    reconstruction: Callable[..., jax.Array],
    num_samples: int,
    beta: float = 0.5,
    gradient: str = "standard",
) -> Result:
    """Return the negative weighted mean of the ELBO and the bound of IWAE (CIWAE), and the metrics.

    The loss is -mean_b [beta * mean_k log w_k + (1 - beta) * (LSE_k log w_k - ln K)].

    Args:
        vae, batch, key, step, reconstruction, num_samples, gradient: as for `iwae_loss`.
        beta: weight of the ELBO, in [0, 1].

    Returns:
        The loss [] and the raw metrics, as for `iwae_loss`, and the weighted mean of the bounds by the name "ciwae".

    Raises:
        errors.OutOfRange: as for `iwae_loss`.

    References:
        Rainforth et al., 2018, arXiv 1802.04537.
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
    """Return the loss whose value is minus the decoder's bound, and the metrics that all objectives here share."""
    check_gradient(gradient)
    x = batch["image"]  # [B, H, W, C]
    latents = draw(vae, x, fold_in_name(key, "z"), num_samples, path=gradient != "standard")
    if latents.log_q is None or latents.log_p is None or latents.kl is None:
        raise errors.OutOfRange("an importance-weighted bound needs a posterior with a density: use the elbo objective")
    distortion = distortion_of_samples(vae, x, latents.z, reconstruction)  # [K, B]
    log_w = latents.log_p - latents.log_q - distortion
    fixed = jax.lax.stop_gradient(log_w)
    decoder_weights = bound_gradient(fixed, decoder, squared=False)
    encoder_weights = bound_gradient(fixed, encoder, squared=gradient == "dreg")
    surrogate = (encoder_weights * log_w).sum(0)  # [B]
    if encoder != decoder or gradient == "dreg":
        held = log_weights_of_held_samples(vae, x, latents, reconstruction)
        surrogate = surrogate + ((decoder_weights - encoder_weights) * held).sum(0)
    bound = sum(part * importance_bound(fixed, groups) for part, groups in decoder)
    loss = -(bound + (surrogate - jax.lax.stop_gradient(surrogate))).mean()

    metrics = {"loss": loss, "distortion": distortion.mean(), "kl": latents.kl.sum(-1).mean()}
    metrics["rate"] = (latents.log_q - latents.log_p).mean()
    if is_normalised(reconstruction):
        metrics["elbo"] = fixed.mean()
        metrics["iwae"] = importance_bound(fixed, 1).mean()
    return loss, metrics


def _with_own_bound(name: str, loss: Scalar, metrics: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Return the metrics with the objective's bound by its name, where the reconstruction function is a likelihood."""
    return {**metrics, name: -loss} if "elbo" in metrics else metrics
