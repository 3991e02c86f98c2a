"""The learning-rate schedule and the gradient transformation of a run, from its configuration.

`parts` calls the functions, and `loop` prints the line of `describe_jump`. The transformations are optax's.
"""

from typing import Any

import jax.numpy as jnp
import optax

from vae_jax import errors
from vae_jax.config import Config, build

Players = dict[str, tuple[str, ...]]

NUM_STAGES = 8  # of the schedule "stages"


def make_schedule(config: Config, steps_per_epoch: float, num_steps: int) -> optax.Schedule:
    """Return the function from the step to the learning rate: a linear warm-up from 0 times the schedule.

    Args:
        config: a whole configuration.
        steps_per_epoch: steps of an epoch, not rounded.
        num_steps: steps of the run.
    """
    section = config.optimizer
    if section.schedule == "exponential":
        epoch: Any = steps_per_epoch  # optax divides by the number of steps, which need not be whole
        schedule = optax.exponential_decay(section.learning_rate, epoch, section.decay_per_epoch, staircase=True)
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
    """Return the schedule of the IWAE paper: stage i = 0, ..., 7 has 3^i epochs at learning_rate * 10^(-i / 7).

    The stages have 3,280 epochs together; the last rate stays after them.

    References:
        Burda et al., 2016, arXiv 1509.00519, section 5.1.
    """
    ends = [round(steps_per_epoch * (3**i - 1) / 2) for i in range(1, NUM_STAGES)]
    return optax.piecewise_constant_schedule(learning_rate, {end: 10.0 ** (-1 / (NUM_STAGES - 1)) for end in ends})


def describe_jump(stored: Config, asked: Config, step: int, num_data: int) -> str | None:
    """Return a line about the jump of the learning rate when a run continues with another length, or None.

    A schedule that depends on the run's length has another rate at the same step if the run is extended. A cosine that
    has reached 0 is at half of the largest rate again when the run becomes twice as long.

    Args:
        stored: the configuration that the run was trained with so far.
        asked: the configuration with which the run continues.
        step: steps taken so far.
        num_data: N, images in the training split.

    Returns:
        None where the rate of the last step taken differs by less than 1 % of the largest rate.
    """
    lengths = [build.count_steps(config, num_data) for config in (stored, asked)]
    before, after = (
        float(jnp.asarray(make_schedule(config, num_data / config.data.batch_size, length)(max(step - 1, 0))))
        for config, length in zip((stored, asked), lengths, strict=True)
    )
    if abs(after - before) < 0.01 * asked.optimizer.learning_rate:
        return None
    return (
        f"the learning rate jumps from {before:.2g} to {after:.2g} at step {step:,}: the {asked.optimizer.schedule} "
        f"schedule was over {lengths[0]:,} steps and is now over {lengths[1]:,}; to go on without a jump, start "
        "another --workdir with --init_from this run, --config.optimizer.schedule=constant and a "
        f"--config.optimizer.learning_rate near {before:.2g}"
    )


def make_optimizer(config: Config, schedule: optax.Schedule, players: Players) -> optax.GradientTransformation:
    """Return the gradient transformation of all parameters, with one optimiser for each player.

    The vae's gradients are clipped first if `config.optimizer.clip_norm` is set.

    Args:
        config: a whole configuration. `config.optimizer` is for the vae, and its section `critic` for the critic.
        schedule: the vae's learning rate.
        players: the groups of parameters that each player owns, see `train_step.players_of`.

    Raises:
        errors.UserError: a weight decay is set for an optimiser without one.
    """
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
    if len(players) == 1:
        return transformation
    critic = optax.adam(section.critic.learning_rate, b1=section.critic.b1, b2=section.critic.b2)
    owner = {group: player for player, groups in players.items() for group in groups}
    return optax.partition({"vae": transformation, "critic": critic}, lambda params: {g: owner[g] for g in params})
