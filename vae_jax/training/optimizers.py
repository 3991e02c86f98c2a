"""Config to learning-rate schedule and gradient transformation."""

import jax.numpy as jnp
import optax

from vae_jax import errors
from vae_jax.config import Config, build

Players = dict[str, tuple[str, ...]]

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


def describe_jump(stored: Config, asked: Config, step: int, num_data: int) -> str | None:
    """Return a line that says how the learning rate jumps where a run goes on with another length, or None.

    A schedule that follows the run's length has another rate at the same step if the run is extended: a cosine that
    has come down to 0 is halfway up again when the run becomes twice as long.

    Args:
        stored: the configuration that the run was trained with so far.
        asked: the configuration that the run goes on with.
        step: steps taken so far.
        num_data: N of the training split.

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
    """Build the gradient transformation of all parameters: clipping first, where asked for, and each player's own.

    Args:
        config: a whole configuration; `config.optimizer` is the vae's, and its section `critic` the critic's.
        schedule: the vae's learning rate.
        players: the groups of parameters that each player owns, see `train_step.players_of`.
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
