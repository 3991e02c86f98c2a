"""What an objective charges for its latents: (kl [B, D], step) -> [], in nats per image.

`kl` is unreduced, because free bits are not linear in it. A weight is a number or a schedule, any function of the
step in optax's manner; the step comes from the train state, so that a schedule survives a resume.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from vae_jax import limits

Step = Int[Array, ""] | int
Schedule = float | Callable[[Step], Float[Array, ""] | float]


def at_step(value: Schedule, step: Step) -> Float[Array, ""] | float:
    """A schedule's value at a step; a plain number is its own."""
    return value(step) if callable(value) else value


def _ramp(step: Step, num_steps: float) -> Float[Array, ""] | float:
    """min(1, step / num_steps); 1 where there are no steps."""
    return jnp.clip(step / num_steps, 0.0, 1.0) if num_steps else 1.0


def _mean_kl(kl: Float[Array, "B D"]) -> Float[Array, ""]:
    if jnp.ndim(kl) != 2:
        raise ValueError(f"kl is [B, D], unreduced, not {jnp.shape(kl)}")
    return kl.sum(-1).mean()


def beta(kl: Float[Array, "B D"], step: Step, *, beta: Schedule = 1.0, warmup_steps: int = 0) -> Float[Array, ""]:
    """beta * min(1, step / warmup_steps) * mean_b sum_d kl.

    Args:
        kl: KL(q(z|x) || p(z)) of each latent, [B, D].
        step: the train step, [].
        beta: weight of the KL next to a likelihood in nats, a number or a schedule; 1 is the ELBO.
        warmup_steps: steps of the linear ramp from 0; 0 is no ramp.

    References: Higgins et al., 2017, equation 4 (beta); Sonderby et al., 2016, arXiv 1602.02282 (warm-up).
    """
    limits.at_least(0, warmup_steps=warmup_steps)
    return at_step(beta, step) * _ramp(step, warmup_steps) * _mean_kl(kl)


def cyclical(
    kl: Float[Array, "B D"], step: Step, *, beta: Schedule = 1.0, period: int, ramp_fraction: float = 0.5
) -> Float[Array, ""]:
    """beta * min(1, tau / ramp_fraction) * mean_b sum_d kl, tau = (step mod period) / period.

    Args:
        kl: [B, D].
        step: the train step, [].
        beta: weight at the top of every ramp, a number or a schedule.
        period: steps of a cycle; the paper has four cycles in a training run.
        ramp_fraction: part of a cycle that the linear ramp takes; the weight is `beta` for the rest.

    Reference: Fu et al., 2019, arXiv 1903.10145.
    """
    limits.above(0, period=period, ramp_fraction=ramp_fraction)
    return at_step(beta, step) * _ramp(step % period, ramp_fraction * period) * _mean_kl(kl)


def capacity(
    kl: Float[Array, "B D"],
    step: Step,
    *,
    gamma: Schedule = 1000.0,
    capacity: float = 25.0,
    capacity_steps: int = 100_000,
) -> Float[Array, ""]:
    """gamma * |mean_b sum_d kl - C|, C = capacity * min(1, step / capacity_steps).

    Args:
        kl: [B, D].
        step: the train step, [].
        gamma: price of a nat on either side of C.
        capacity: where C ends, in nats.
        capacity_steps: steps until it gets there.

    Reference: Burgess et al., 2018, arXiv 1804.03599, equation 8; defaults for dSprites, with a Bernoulli
    likelihood summed over pixels.
    """
    limits.at_least(0, capacity=capacity, capacity_steps=capacity_steps)
    return at_step(gamma, step) * jnp.abs(_mean_kl(kl) - capacity * _ramp(step, capacity_steps))


def free_bits(
    kl: Float[Array, "B D"], step: Step, *, nats: float = 0.5, beta: Schedule = 1.0, warmup_steps: int = 0
) -> Float[Array, ""]:
    """beta * min(1, step / warmup_steps) * sum_d max(nats, mean_b kl).

    The maximum is outside the mean over the batch: a latent is free as long as it is cheap on average, however
    dear for some images, and takes no gradient while it is.

    Args:
        kl: [B, D].
        step: the train step, [].
        nats: lambda, what every latent may carry for free.
        beta: weight of the whole, a number or a schedule.
        warmup_steps: steps of the linear ramp from 0; 0 is no ramp.

    Reference: Kingma et al., 2016, arXiv 1606.04934 (there for groups of latents).
    """
    limits.at_least(0, nats=nats, warmup_steps=warmup_steps)
    floored = jnp.maximum(nats, kl.mean(0, keepdims=True))  # [1, D]
    return at_step(beta, step) * _ramp(step, warmup_steps) * _mean_kl(floored)


RATES = {"beta": beta, "cyclical": cyclical, "capacity": capacity, "free_bits": free_bits}
