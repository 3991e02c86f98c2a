"""The objectives that draw one sample for each image, and the table of all objectives.

An objective is a function (vae, batch, key, step) -> (loss, metrics) in nats per image, averaged over the batch once.
`vae` is anything with `encode(x) -> posterior` and `decode(z) -> pred`, `batch` has "image" [B, H, W, C], and every
consumer of noise folds its own name into `key`. Every objective reports the same metrics: loss, elbo, distortion, rate,
kl, and every term by its name. Metrics are raw, which means unweighted. A metric that a method does not define is
absent, such as the KL of a deterministic code or the ELBO of an SSIM.

The objectives that draw several samples are in `bounds`. `config.build` binds the keyword arguments, and
`training.train_step` and `evaluation` call the result.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
from jaxtyping import Array, Float

from vae_jax import limits
from vae_jax.distributions import Latents, draw
from vae_jax.distributions.pixels import per_example
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
Scalar = Float[Array, ""]
Metrics = dict[str, jax.Array]  # scalars, []
Reconstruction = Callable[..., jax.Array]  # (pred, x [B, H, W, C]) -> [B] nats
Rate = Callable[..., jax.Array]  # (kl [B, G], step) -> [] nats
Penalties = Mapping[str, tuple[rates.Schedule, Callable[..., jax.Array]]]
Loss = Scalar | dict[str, Scalar]  # a model of several players has one loss for each player, by name
Objective = Callable[[Any, Batch, jax.Array, jax.Array], tuple[Loss, Metrics]]


def elbo_loss(
    vae: Any,
    batch: Batch,
    key: jax.Array,
    step: rates.Step = 0,
    *,
    reconstruction: Reconstruction,
    rate: Rate = rates.beta,
    penalties: Penalties | None = None,
    gradient: str = "standard",
) -> tuple[Scalar, Metrics]:
    """Return the negative ELBO with a weighted rate and penalties, and the metrics.

    The loss is E_q[-log p(x|z)] + rate(KL(q(z|x) || p(z))) + sum_i weight_i * penalty_i(z, q).

    Args:
        vae: has `encode` and `decode`.
        batch: {"image": [B, H, W, C]}.
        key: the only source of noise.
        step: the train step, [], which drives the schedules of the rate and of the weights.
        reconstruction: (pred, x) -> [B] nats.
        rate: (kl [B, G], step) -> [] nats.
        penalties: name -> (weight, (key, z, posterior) -> []); a weight is a number or a schedule.
        gradient: the encoder's gradient, "standard", "stl" or "dreg", see `bounds`; for one sample the last two agree.

    Returns:
        The loss [] and the raw metrics. A code without a density is charged no rate, and has no elbo.

    Raises:
        errors.OutOfRange: `gradient` is unknown.

    References:
        Kingma and Welling, 2014, arXiv 1312.6114.
    """
    check_gradient(gradient)
    x = batch["image"]
    latents = draw(vae, x, fold_in_name(key, "z"), path=gradient != "standard")
    return _loss_of(vae, x, latents, key, step, reconstruction, rate, penalties)


def wae_loss(
    vae: Any,
    batch: Batch,
    key: jax.Array,
    step: rates.Step = 0,
    *,
    reconstruction: Reconstruction,
    penalties: Penalties,
) -> tuple[Scalar, Metrics]:
    """Return the loss of a Wasserstein autoencoder (WAE-MMD, SWAE), and the metrics.

    The loss is E[-log p(x|z)] + sum_i weight_i * penalty_i(z). The model decides whether codes have noise
    (`model.latents`). The KL of a Gaussian posterior is reported and is no part of the loss; a deterministic code has
    no KL.

    Args:
        vae: has `encode` and `decode`.
        batch: {"image": [B, H, W, C]}.
        key: the only source of noise.
        step: the train step, [], which drives the schedules of the weights.
        reconstruction: (pred, x) -> [B] nats.
        penalties: name -> (weight, (key, z, posterior) -> []); a weight is a number or a schedule.

    Returns:
        The loss [] and the raw metrics.

    References:
        Tolstikhin et al., 2018, arXiv 1711.01558; Kolouri et al., 2018, arXiv 1804.01947.
    """
    x = batch["image"]
    latents = draw(vae, x, fold_in_name(key, "z"))
    return _loss_of(vae, x, latents, key, step, reconstruction, None, penalties)


def factor_loss(
    vae: Any,
    batch: Batch,
    key: jax.Array,
    step: rates.Step = 0,
    *,
    reconstruction: Reconstruction,
    rate: Rate = rates.beta,
    penalties: Penalties | None = None,
    gamma: rates.Schedule = 10.0,
) -> tuple[dict[str, Scalar], Metrics]:
    """Return the losses of FactorVAE's two players, and the metrics.

    The losses are, with the discriminator D and the cross-entropy CE,

        vae:    ELBO loss + gamma * mean(D_0(z) - D_1(z)),
        critic: [CE(D(z), 0) + CE(D(permuted z'), 1)] / 2.

    D tells codes of q(z), class 0, from codes of prod_d q(z_d), class 1: its log ratio estimates the total
    correlation. z comes from the first half of the batch, and only this half is decoded; z' comes from the second half,
    with each latent permuted across images separately. The training step takes the gradient of each loss with respect
    to the parameters of its own player only.

    Args:
        vae: has `discriminate(z [B, D]) -> logits [B, 2]` besides `encode` and `decode`.
        batch: {"image": [B, H, W, C]}, two images or more.
        key: the only source of noise.
        step: the train step, [], which drives the schedules.
        reconstruction: (pred, x) -> [B] nats.
        rate: (kl [B, G], step) -> [] nats.
        penalties: as for `elbo_loss`.
        gamma: weight of the total correlation, a number or a schedule.

    Returns:
        {"vae": [], "critic": []} and the metrics. The metrics `total_correlation` and `critic` are raw, and `loss` is
        the loss of the player "vae".

    Raises:
        errors.OutOfRange: the batch has fewer than two images.
        ValueError: a penalty has the name of one of the objective's own metrics.

    References:
        Kim and Mnih, 2018, arXiv 1802.05983, equation 2.
    """
    x = batch["image"]
    limits.at_least(2, batch_size=x.shape[0])  # one half for each player
    half = x.shape[0] // 2
    latents = draw(vae, x, fold_in_name(key, "z"))
    first = jax.tree.map(lambda leaf: leaf[:half], latents)
    loss, metrics = _loss_of(vae, x[:half], first, key, step, reconstruction, rate, penalties)

    joint = vae.discriminate(first.z)  # [half, 2]
    permuted = jax.random.permutation(fold_in_name(key, "permutation"), latents.z[half:], axis=0, independent=True)
    product = jax.nn.log_softmax(vae.discriminate(permuted))
    total_correlation = (joint[:, 0] - joint[:, 1]).mean()
    critic = -0.5 * (jax.nn.log_softmax(joint)[:, 0].mean() + product[:, 1].mean())
    if {"total_correlation", "critic"} & set(penalties or {}):
        raise ValueError("`total_correlation` and `critic` are terms of factor_loss itself: rename the penalty")
    loss = loss + rates.at_step(gamma, step) * total_correlation
    terms = {"loss": loss, "total_correlation": total_correlation, "critic": critic}
    return {"vae": loss, "critic": critic}, metrics | terms


def _loss_of(
    vae: Any,
    x: Float[Array, "B H W C"],
    latents: Latents,
    key: jax.Array,
    step: rates.Step,
    reconstruction: Reconstruction,
    rate: Rate | None,
    penalties: Penalties | None,
) -> tuple[Scalar, Metrics]:
    """Return the sum of distortion, rate, the family's own terms and penalties, and the raw metrics.

    With `rate` None, the KL is no part of the loss.
    """
    distortion = per_example(reconstruction(vae.decode(latents.z), x), x.shape[:1]).mean()
    loss, metrics = distortion, {"distortion": distortion}
    if latents.kl is not None:
        metrics["kl"] = metrics["rate"] = latents.kl.sum(-1).mean()
        if is_normalised(reconstruction):
            metrics["elbo"] = -(distortion + metrics["kl"])
        if rate is not None:
            loss = loss + rate(latents.kl, step)
    for name, term in latents.terms.items():
        metrics[name] = term.mean()
        loss = loss + metrics[name]
    for name, (weight, penalty) in (penalties or {}).items():
        arguments = (latents.z, latents.posterior)
        if isinstance(weight, int | float) and weight == 0:  # the penalty is a metric only, so no gradient is computed
            metrics[name] = penalty(fold_in_name(key, name), *jax.lax.stop_gradient(arguments))
            continue
        metrics[name] = penalty(fold_in_name(key, name), *arguments)
        loss = loss + rates.at_step(weight, step) * metrics[name]
    return loss, {"loss": loss, **metrics}


# An objective that uses a part of each batch to train a critic -> the objective that evaluation computes instead.
EVALUATED_BY = {"factor": "elbo"}

OBJECTIVES = {
    "ciwae": ciwae_loss,
    "elbo": elbo_loss,
    "factor": factor_loss,
    "iwae": iwae_loss,
    "miwae": miwae_loss,
    "piwae": piwae_loss,
    "wae": wae_loss,
}
