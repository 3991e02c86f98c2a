"""The objectives: (vae, batch, key, step) -> (loss, metrics), nats per image, averaged over the batch once.

`vae` is anything with `encode(x) -> posterior` and `decode(z) -> pred`, `batch` has "image" [B, H, W, C], and every
consumer of noise folds its own name into `key`. Metrics are raw, whatever is trained: loss, elbo, distortion, rate,
kl, and every penalty by its name. What a method does not define (the KL of a deterministic code, the ELBO of an
SSIM) is absent.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax

from vae_jax import limits
from vae_jax.distributions import Deterministic, Gaussian, standard_normal
from vae_jax.distributions.shapes import per_example
from vae_jax.losses import rate as rates
from vae_jax.losses.bounds import check_gradient, ciwae_loss, iwae_loss, miwae_loss, piwae_loss
from vae_jax.losses.reconstruction import is_normalised
from vae_jax.random import fold_in_name

__all__ = [
    "OBJECTIVES",
    "ciwae_loss",
    "elbo_loss",
    "factor_loss",
    "iwae_loss",
    "miwae_loss",
    "piwae_loss",
    "wae_loss",
]

Batch = Mapping[str, jax.Array]
Metrics = dict[str, jax.Array]
Penalties = Mapping[str, tuple[rates.Schedule, Callable[..., jax.Array]]]
Objective = Callable[[Any, Batch, jax.Array, jax.Array], tuple[jax.Array, Metrics]]


def elbo_loss(
    vae: Any,
    batch: Batch,
    key: jax.Array,
    step: jax.Array | int = 0,
    *,
    reconstruction: Callable[..., jax.Array],
    rate: Callable[..., jax.Array] = rates.beta,
    penalties: Penalties | None = None,
    gradient: str = "standard",
) -> tuple[jax.Array, Metrics]:
    """E_q[-log p(x|z)] + rate(KL(q(z|x) || p(z))) + sum_i weight_i * penalty_i(z, q).

    Args:
        vae: encode and decode.
        batch: {"image": [B, H, W, C]}.
        key: the only source of noise.
        step: drives the schedules of rate and weights.
        reconstruction: (pred, x) -> [B].
        rate: (kl [B, D], step) -> [].
        penalties: name -> (weight, (key, z, posterior) -> []); a weight is a number or a schedule.
        gradient: the encoder's: "standard", or "stl" (for one sample the same as "dreg"), see `bounds`.

    Returns:
        The loss and the raw metrics. A posterior without `kl` is charged no rate, and has no elbo.

    Reference: Kingma and Welling, 2014, arXiv 1312.6114.
    """
    check_gradient(gradient)
    x = batch["image"]
    posterior = vae.encode(x)
    z = posterior.sample(fold_in_name(key, "z"))  # [B, D]
    distortion = per_example(reconstruction(vae.decode(z), x), z.shape[:1]).mean()
    loss, metrics = distortion, {"distortion": distortion}
    if hasattr(posterior, "kl"):
        kl = posterior.kl() if gradient == "standard" else _path_kl(posterior, z)  # [B, D]
        metrics["kl"] = kl.sum(-1).mean()
        metrics["rate"] = rate(kl, step)
        if is_normalised(reconstruction):
            metrics["elbo"] = -(distortion + metrics["kl"])
        loss = loss + metrics["rate"]
    for name, (weight, penalty) in (penalties or {}).items():
        if isinstance(weight, (int, float)) and weight == 0:  # measured, at the price of a forward pass
            metrics[name] = penalty(fold_in_name(key, name), *jax.lax.stop_gradient((z, posterior)))
            continue
        metrics[name] = penalty(fold_in_name(key, name), z, posterior)
        loss = loss + rates.at_step(weight, step) * metrics[name]
    return loss, {"loss": loss, **metrics}


def _path_kl(posterior: Gaussian, z: jax.Array) -> jax.Array:
    """KL(q || p), [B, D], with the gradient of log q(z) - log p(z) along z alone ("sticking the landing")."""
    path = posterior.stop_gradient().log_density(z) - standard_normal(posterior).log_density(z)
    return jax.lax.stop_gradient(posterior.kl()) + (path - jax.lax.stop_gradient(path))


@dataclasses.dataclass(frozen=True)
class _Encoded:
    """A vae that has encoded already, and whose posterior an objective has taken in hand since."""

    posterior: Any
    decode: Callable[[jax.Array], Any]

    def encode(self, x: jax.Array) -> Any:
        del x
        return self.posterior


def wae_loss(
    vae: Any,
    batch: Batch,
    key: jax.Array,
    step: jax.Array | int = 0,
    *,
    reconstruction: Callable[..., jax.Array],
    penalties: Penalties,
    deterministic: bool = True,
) -> tuple[jax.Array, Metrics]:
    """E[-log p(x|z)] + sum_i weight_i * penalty_i(z): WAE-MMD, or SWAE with the sliced Wasserstein distance.

    Args:
        vae, batch, key, step, reconstruction, penalties: as for `elbo_loss`.
        deterministic: z is the posterior's mean, and neither KL nor ELBO exist; otherwise z is drawn from the
            posterior, whose KL is reported and costs nothing.

    References: Tolstikhin et al., 2018, arXiv 1711.01558; Kolouri et al., 2018, arXiv 1804.01947.
    """
    posterior = vae.encode(batch["image"])
    if deterministic:
        posterior = Deterministic(posterior.mean)
    return elbo_loss(
        _Encoded(posterior, vae.decode),
        batch,
        key,
        step,
        reconstruction=reconstruction,
        rate=functools.partial(rates.beta, beta=0.0),
        penalties=penalties,
    )


def factor_loss(
    vae: Any,
    batch: Batch,
    key: jax.Array,
    step: jax.Array | int = 0,
    *,
    reconstruction: Callable[..., jax.Array],
    rate: Callable[..., jax.Array] = rates.beta,
    penalties: Penalties | None = None,
    gamma: rates.Schedule = 10.0,
) -> tuple[jax.Array, Metrics]:
    """ELBO loss + gamma * mean(D_0(z) - D_1(z)) + [CE(D(z), 0) + CE(D(permuted z'), 1)] / 2.

    D tells codes of q(z), class 0, from codes of prod_d q(z_d), class 1: its log ratio estimates the total
    correlation. z comes from the first half of the batch, which alone is decoded; z' from the second, each latent
    permuted across images by itself. One backward pass serves both players: the second term gives D no gradient,
    the third gives the encoder none, and each has an optimiser of its own.

    Args:
        vae: offers, besides encode and decode, `discriminate(z [B, D], frozen=False) -> logits [B, 2]`; with
            frozen=True its parameters take no gradient, while z does.
        batch, key, step, reconstruction, rate, penalties: as for `elbo_loss`.
        gamma: weight of the total correlation.

    Returns:
        The loss, discriminator's included, and the metrics with `total_correlation` and `discriminator`, the
        raw second and third terms.

    Reference: Kim and Mnih, 2018, arXiv 1802.05983, equation 2.
    """
    x = batch["image"]
    limits.at_least(2, batch_size=x.shape[0])  # one half for each player
    half = x.shape[0] // 2
    posterior = vae.encode(x)
    first = jax.tree.map(lambda leaf: leaf[:half], posterior)
    second = jax.tree.map(lambda leaf: leaf[half:], posterior)

    def total_correlation(key: jax.Array, z: jax.Array, posterior: Any) -> jax.Array:
        logits = vae.discriminate(z, frozen=True)
        return (logits[:, 0] - logits[:, 1]).mean()

    def discriminator(key: jax.Array, z: jax.Array, posterior: Any) -> jax.Array:
        other = jax.lax.stop_gradient(second.sample(fold_in_name(key, "z")))
        shuffled = jax.random.permutation(fold_in_name(key, "permutation"), other, axis=0, independent=True)
        joint = jax.nn.log_softmax(vae.discriminate(jax.lax.stop_gradient(z)))
        product = jax.nn.log_softmax(vae.discriminate(shuffled))
        return -0.5 * (joint[:, 0].mean() + product[:, 1].mean())

    if {"total_correlation", "discriminator"} & set(penalties or {}):
        raise ValueError("`total_correlation` and `discriminator` are terms of factor_loss itself: rename the penalty")
    adversary = {"total_correlation": (gamma, total_correlation), "discriminator": (1.0, discriminator)}
    return elbo_loss(
        _Encoded(first, vae.decode),
        {name: value[:half] for name, value in batch.items()},
        key,
        step,
        reconstruction=reconstruction,
        rate=rate,
        penalties={**(penalties or {}), **adversary},
    )


OBJECTIVES = {
    "ciwae": ciwae_loss,
    "elbo": elbo_loss,
    "factor": factor_loss,
    "iwae": iwae_loss,
    "miwae": miwae_loss,
    "piwae": piwae_loss,
    "wae": wae_loss,
}
