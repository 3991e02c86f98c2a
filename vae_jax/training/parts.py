"""The parts of a run that are built from its configuration: model, objectives, optimiser, compiled call, keys, state.

`setup.open_run` puts the parts together. The models and objectives themselves are built in `config.build`.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

from vae_jax import devices, models
from vae_jax.config import Config, build
from vae_jax.data import batches
from vae_jax.devices.runner import Runner
from vae_jax.losses import objectives
from vae_jax.random import fold_in_name
from vae_jax.runs import checkpoint
from vae_jax.training import optimizers, train_state, train_step


class Parts(NamedTuple):
    """The model, the objectives and the optimiser of a run.

    Attributes:
        model: the module.
        objective: (vae, batch, key, step) -> (loss, metrics), which is trained.
        eval_objective: the objective that evaluation during training computes.
        schedule: step -> learning rate.
        tx: the gradient transformation of all parameters.
    """

    model: Any
    objective: objectives.Objective
    eval_objective: objectives.Objective
    schedule: optax.Schedule
    tx: optax.GradientTransformation


def make_parts(config: Config, num_data: int, objective: objectives.Objective | None, model: Any) -> Parts:
    """Return the model, the objectives and the optimiser of a run.

    Args:
        config: the resolved configuration.
        num_data: N, images in the training split.
        objective: an objective in place of `config.objective`, or None.
        model: a module in place of `config.model`, or None. Images are prepared as the configuration says.
    """
    if model is None:
        model = build.make_model(config)
    else:
        model = build.with_inputs_of(config, model)
    steps_per_epoch = num_data / config.data.batch_size
    schedule = optimizers.make_schedule(config, steps_per_epoch, build.count_steps(config, num_data))
    shapes = jax.eval_shape(functools.partial(models.init, model), jax.random.key(0))
    players = train_step.players_of(model, shapes["params"])
    return Parts(
        model=model,
        objective=objective or build.make_objective(config, num_data),
        eval_objective=objective or build.make_eval_objective(config, num_data),
        schedule=schedule,
        tx=optimizers.make_optimizer(config, schedule, players),
    )


def make_runner(config: Config, mesh: Any, parts: Parts) -> Runner:
    """Return the compiled training call on the run's devices, by jit or by pmap as `config.parallel` says."""
    prepare = batches.make_prepare(parts.model, flip=config.data.flip)
    make_step = functools.partial(
        train_step.make_train_step, tx=parts.tx, learning_rate=parts.schedule, ema_decay=config.ema_decay
    )
    if config.parallel == "pmap":
        model = parts.model.clone(axis_name=devices.AXIS)
        step_fn = make_step(model, devices.sliced(parts.objective), axis_name=devices.AXIS)
        return devices.pmap_runner(train_step.make_train_call(step_fn, prepare), mesh)
    return devices.jit_runner(train_step.make_train_call(make_step(parts.model, parts.objective), prepare), mesh)


def make_keys(seed: int) -> dict[str, jax.Array]:
    """Return the keys of a run by their use: "init", "loop", "eval" and "pictures"."""
    root = jax.random.key(seed)
    return {name: fold_in_name(root, name) for name in ("init", "loop", "eval", "pictures")}


def open_state(
    config: Config, parts: Parts, variables: Any, key: jax.Array, mesh: Any, manager: Any, say: Callable[[str], None]
) -> train_state.TrainState:
    """Return the state of the newest checkpoint, or the state of step 0 if there is no checkpoint.

    Args:
        config: the resolved configuration.
        parts: the parts of the run.
        variables: the variables of step 0, which are fresh or another run's.
        key: the key of the loop.
        mesh: the devices to replicate the state on.
        manager: the manager of the run's checkpoints.
        say: called with a line about each damaged checkpoint that is skipped.
    """
    create = functools.partial(train_state.create_state, tx=parts.tx, ema=config.ema_decay > 0)
    state = jax.jit(create)(variables, key=key)  # one program, not one for each shape of its zeros
    state = devices.replicate(state, mesh)
    return checkpoint.restore_state(manager, state, warn=say) or state
