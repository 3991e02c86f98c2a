"""Config to learning-rate schedule and gradient transformation."""

from typing import Any

import jax.numpy as jnp
import optax

from vae_jax import errors
from vae_jax.config import configuration

Config = configuration.Config

NUM_STAGES = 8


def make_schedule(config: Config, steps_per_epoch: float, num_steps: int) -> optax.Schedule:
    """Build step -> learning rate: a linear warm-up from 0 times the schedule."""
    section = config.optimizer
    if section.schedule == "exponential":
        schedule = optax.exponential_decay(
            section.learning_rate, steps_per_epoch, section.decay_per_epoch, staircase=True
        )
    elif section.schedule == "cosine":
        schedule = optax.cosine_decay_schedule(section.learning_rate, max(num_steps, 1))
    elif section.schedule == "stages":
        schedule = _stages(section.learning_rate, steps_per_epoch)
    else:
        schedule = optax.constant_schedule(section.learning_rate)
    if not section.warmup_steps:
        return schedule
    return lambda step: jnp.minimum(1.0, step / section.warmup_steps) * schedule(step)


def _stages(learning_rate: float, steps_per_epoch: float) -> optax.Schedule:
    """Stage i = 0, ..., 7 lasts 3^i epochs at learning_rate 10^(-i / 7): 3,280 epochs; the last rate stays.

    Reference: Burda et al., 2016, arXiv 1509.00519, section 5.1.
    """
    ends = [round(steps_per_epoch * (3**i - 1) / 2) for i in range(1, NUM_STAGES)]
    return optax.piecewise_constant_schedule(learning_rate, dict.fromkeys(ends, 10.0 ** (-1 / (NUM_STAGES - 1))))


def make_optimizer(config: Config, schedule: optax.Schedule) -> optax.GradientTransformation:
    """Build the gradient transformation: clipping first, where asked for."""
    section = config.optimizer
    if section.weight_decay and section.name != "adamw":
        raise errors.UserError("config.optimizer.weight_decay is adamw's; set config.optimizer.name=adamw or 0")
    transformation = {
        "adam": lambda: optax.adam(schedule, eps=section.eps),
        "adamw": lambda: optax.adamw(schedule, eps=section.eps, weight_decay=section.weight_decay),
        "sgd": lambda: optax.sgd(schedule),
    }[section.name]()
    if section.clip_norm:
        transformation = optax.chain(optax.clip_by_global_norm(section.clip_norm), transformation)
    if not config.objective.name == "factor":
        return transformation
    adversary = optax.adam(config.objective.discriminator.learning_rate, b1=0.5, b2=0.9)
    return optax.partition({"vae": transformation, "discriminator": adversary}, _label_players)


def _label_players(params: Any) -> Any:
    """Name the player that each part of the parameters belongs to, FactorVAE's discriminator or the VAE."""
    return {name: "discriminator" if name == "discriminator" else "vae" for name in params}
