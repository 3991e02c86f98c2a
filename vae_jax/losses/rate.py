"""Rates: what an objective charges for the KL divergence of its latents, in nats per image.

Each function takes `kl` [B, G] and the step, and returns a scalar. `kl` is not reduced, because free bits are not
linear in it. A weight is a number or a schedule, which is a function of the step as in optax. The step comes from the
train state, so that a schedule continues where a resumed run continues.

The KL itself is computed in `distributions`; penalties on the aggregate posterior are in `penalties`. The objectives
in `objectives` call these functions, and `config.objective.rate.name` is a key of `RATES`.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vae_jax import limits

Step = Int[Array, ""] | int
Schedule = float | Callable[[Step], Float[Array, ""] | float]


def at_step(value: Schedule, step: Step) -> Float[Array, ""] | float:
    """Return the value of a schedule at a step; a plain number is its own value."""
    return value(step) if callable(value) else value


def _ramp(step: Step, num_steps: float) -> Float[Array, ""] | float:
    """Return min(1, step / num_steps), or 1 if `num_steps` is 0."""
    return jnp.clip(step / num_steps, 0.0, 1.0) if num_steps else 1.0


def _mean_kl(kl: Float[Array, "B G"]) -> Float[Array, ""]:
    if jnp.ndim(kl) != 2:
        raise ValueError(f"kl must have the shape [B, G], not reduced; its shape is {jnp.shape(kl)}")
    return kl.sum(-1).mean()


def beta(kl: Float[Array, "B G"], step: Step, *, beta: Schedule = 1.0, warmup_steps: int = 0) -> Float[Array, ""]:
    """Return the mean KL times beta, with a linear warm-up of beta.

    The value is beta * min(1, step / warmup_steps) * mean_b sum_g kl.

    Args:
        kl: KL(q(z|x) || p(z)) of each latent, [B, G] nats.
        step: the train step, [].
        beta: weight of the KL beside a likelihood in nats, a number or a schedule; 1 is the ELBO.
        warmup_steps: steps of the linear ramp from 0; with 0 there is no ramp.

    Returns:
        The rate, [] nats.

    References:
        Higgins et al., 2017, "beta-VAE", equation 4 (beta).
        Sonderby et al., 2016, arXiv 1602.02282 (warm-up).
    """
    limits.at_least(0, warmup_steps=warmup_steps)
    return at_step(beta, step) * _ramp(step, warmup_steps) * _mean_kl(kl)


def cyclical(
    kl: Float[Array, "B G"], step: Step, *, beta: Schedule = 1.0, period: int, ramp_fraction: float = 0.5
) -> Float[Array, ""]:
    """Return the mean KL times a weight that rises from 0 to beta again in every cycle.

    The value is beta * min(1, tau / ramp_fraction) * mean_b sum_g kl with tau = (step mod period) / period.

    Args:
        kl: KL of each latent, [B, G] nats.
        step: the train step, [].
        beta: weight at the top of every ramp, a number or a schedule.
        period: steps of a cycle; the paper has four cycles in a training run.
        ramp_fraction: part of a cycle that the linear ramp takes; the weight is `beta` for the rest of the cycle.

    Returns:
        The rate, [] nats.

    References:
        Fu et al., 2019, arXiv 1903.10145.
    """
    limits.above(0, period=period, ramp_fraction=ramp_fraction)
    return at_step(beta, step) * _ramp(step % period, ramp_fraction * period) * _mean_kl(kl)


def capacity(
    kl: Float[Array, "B G"],
    step: Step,
    *,
    gamma: Schedule = 1000.0,
    capacity: float = 25.0,
    capacity_steps: int = 100_000,
) -> Float[Array, ""]:
    """Return gamma times the distance of the mean KL from a capacity that grows with the step.

    The value is gamma * |mean_b sum_g kl - C| with C = capacity * min(1, step / capacity_steps).

    Args:
        kl: KL of each latent, [B, G] nats.
        step: the train step, [].
        gamma: price of a nat on either side of C, a number or a schedule.
        capacity: the final value of C, in nats.
        capacity_steps: steps until C reaches its final value.

    Returns:
        The rate, [] nats.

    References:
        Burgess et al., 2018, arXiv 1804.03599, equation 8. The defaults are for dSprites, with a Bernoulli likelihood
        summed over pixels.
    """
    limits.at_least(0, capacity=capacity, capacity_steps=capacity_steps)
    return at_step(gamma, step) * jnp.abs(_mean_kl(kl) - capacity * _ramp(step, capacity_steps))


def free_bits(
    kl: Float[Array, "B G"], step: Step, *, nats: float = 0.5, beta: Schedule = 1.0, warmup_steps: int = 0
) -> Float[Array, ""]:
    """Return the mean KL with at least `nats` charged for each latent, times beta, with a linear warm-up of beta.

    The value is beta * min(1, step / warmup_steps) * sum_g max(nats, mean_b kl). The maximum is outside the mean over
    the batch: a latent whose mean KL is below `nats` receives no gradient, whatever its KL for a single image.

    Args:
        kl: KL of each latent, [B, G] nats.
        step: the train step, [].
        nats: lambda of the paper, the KL that every latent may have at no cost.
        beta: weight of the whole, a number or a schedule.
        warmup_steps: steps of the linear ramp from 0; with 0 there is no ramp.

    Returns:
        The rate, [] nats.

    References:
        Kingma et al., 2016, arXiv 1606.04934 (for groups of latents).
    """
    limits.at_least(0, nats=nats, warmup_steps=warmup_steps)
    floored = jnp.maximum(nats, kl.mean(0, keepdims=True))  # [1, G]
    return at_step(beta, step) * _ramp(step, warmup_steps) * _mean_kl(floored)


RATES = {"beta": beta, "cyclical": cyclical, "capacity": capacity, "free_bits": free_bits}
