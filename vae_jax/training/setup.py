"""What a run is made of, built once from a configuration, a data set and what the directory holds already."""

import functools
import math
import os
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vae_jax import errors, models
from vae_jax.config import build, configuration
from vae_jax.data.dataset import Dataset
from vae_jax.devices import parallel, processes
from vae_jax.evaluation import elbo
from vae_jax.random import fold_in_name
from vae_jax.runs import checkpoint, integrity, metric_writer, workdir
from vae_jax.training import optimizers, train_state, train_step

Config = configuration.Config


class Run(NamedTuple):
    """What a run is made of, built once."""

    config: Config
    path: pathlib.Path
    dataset: Dataset
    num_steps: int
    model: models.VAE
    runner: parallel.Runner
    eval_step: Callable[..., Any]
    mesh: Any
    manager: Any
    writer: metric_writer.Writer
    progress: metric_writer.Progress
    keys: dict[str, jax.Array]  # "init", "loop", "eval", "pictures"


def check_same_run(stored: Config, asked: Config, path: pathlib.Path) -> None:
    """Refuse a configuration other than the directory's, by its fields, once there is a checkpoint to go on from.

    Raises:
        errors.UserError: names the fields.
    """
    if not any(saved.name.isdigit() for saved in (path / "checkpoints").glob("*")):
        return
    asked = asked.copy_and_resolve_references()
    with asked.unlocked():
        if not asked.model.image_shape:
            asked.model.image_shape = stored.model.image_shape
    differences = configuration.contradictions(stored, asked)
    if differences:
        raise errors.UserError(
            f"{path} holds another run: {'; '.join(differences)}; use its own values, or another --workdir"
        )


def resolve(config: Config, dataset: Dataset) -> Config:
    """Fill in what follows from the data, so that the saved configuration describes the model alone."""
    config = configuration.from_json(configuration.to_json(config))
    shape = tuple(int(size) for size in dataset.train["image"].shape[1:])
    number = len(dataset.train["image"])
    if config.model.image_shape and tuple(config.model.image_shape) != shape:
        raise errors.UserError(
            f"config.model.image_shape={tuple(config.model.image_shape)} but the images are {shape}; "
            "leave it () or set config.data.image_size"
        )
    if config.data.batch_size > number:
        raise errors.UserError(
            f"config.data.batch_size={config.data.batch_size} is more than the {number} training images"
        )
    with config.unlocked():
        config.model.image_shape = shape
        if config.data.dir:
            config.data.dir = os.path.abspath(os.path.expanduser(config.data.dir))
    return config


def open_run(
    config: Config, path: pathlib.Path, dataset: Dataset, objective: Any, mesh: Any, init_from: Any
) -> tuple[Run, train_state.TrainState]:
    """Build a run and its state: the newest checkpoint's, another run's weights, or fresh ones; say which."""
    number, data = len(dataset.train["image"]), config.data
    num_steps, steps_per_epoch = build.count_steps(config, number), number / data.batch_size
    model = build.make_model(config)
    loss = objective or build.make_objective(config, number)
    eval_loss = objective or build.make_eval_objective(config, number)
    schedule = optimizers.make_schedule(config, steps_per_epoch, num_steps)
    tx = optimizers.make_optimizer(config, schedule)
    step_fn = functools.partial(train_step.make_train_step, tx=tx, learning_rate=schedule, ema_decay=config.ema_decay)
    runner = _make_runner(config, mesh, model, loss, step_fn, build.make_prepare(config, flip=data.flip))

    seed = jax.random.key(config.seed)
    keys = {name: fold_in_name(seed, name) for name in ("init", "loop", "eval", "pictures")}
    talk = metric_writer.Progress if processes.leads() else metric_writer.SilentProgress
    progress = talk(num_steps, steps_per_epoch, data.batch_size)
    variables = models.set_output_bias(model, models.init(model, keys["init"]), dataset.train["image"])
    progress.say(_describe(config, variables, num_steps, steps_per_epoch, dataset))
    if objective is None:
        progress.say(_describe_scale(config))

    manager = checkpoint.open_for_training(path, config.keep)
    if init_from is not None and not manager.all_steps():
        variables = _initial_weights(init_from, variables)
    create = functools.partial(train_state.create_state, tx=tx, ema=config.ema_decay > 0)
    state = jax.jit(create)(variables, key=keys["loop"])  # one program, not one for each shape of its zeros
    state = parallel.replicate(state, mesh)
    restored = checkpoint.restore_state(manager, state, warn=progress.say)
    if restored is not None:
        state = restored
        progress.say(f"resuming {path} at step {int(state.step)}")
    step = int(state.step)
    if step > num_steps:
        raise errors.UserError(
            f"{path} is at step {step}, past the {num_steps} asked for; ask for more, or use another --workdir"
        )
    run = Run(
        config=config,
        path=path,
        dataset=dataset,
        num_steps=num_steps,
        model=model,
        runner=runner,
        eval_step=elbo.make_eval_step(model, eval_loss, build.make_prepare(config, flip=False)),
        mesh=mesh,
        manager=manager,
        writer=metric_writer.Writer(path, resumed_at=step) if processes.leads() else metric_writer.SilentWriter(),
        progress=progress,
        keys=keys,
    )
    return run, runner.place(state)


def tolerantly(run: Run, what: str, write: Callable[..., None], *arguments: Any) -> None:
    """Write what training can do without: a full disk is told, and training goes on."""
    try:
        write(*arguments)
    except OSError as error:
        run.progress.say(f"{what} could not be written ({error.strerror or error}); training goes on")


def _make_runner(
    config: Config, mesh: Any, model: Any, objective: Any, make_step: Callable[..., Any], prepare: Callable[..., Any]
) -> parallel.Runner:
    if config.parallel == "pmap":
        axis = parallel.AXIS
        step_fn = make_step(model.clone(axis_name=axis), parallel.sliced(objective), axis_name=axis)
        return parallel.pmap_runner(train_step.make_train_call(step_fn, prepare), mesh)
    return parallel.jit_runner(train_step.make_train_call(make_step(model, objective), prepare), mesh)


def _initial_weights(init_from: Any, variables: Any) -> Any:
    """Return another run's weights and statistics, if they fit this model."""
    other = checkpoint.restore_variables(workdir.existing(init_from)).variables
    integrity.check_same_model(other, variables)
    return jax.tree.map(lambda _, leaf: jnp.asarray(leaf), dict(variables), {k: other[k] for k in variables})


def _describe(config: Config, variables: Any, num_steps: int, steps_per_epoch: float, dataset: Dataset) -> str:
    counts = ", ".join(
        f"{len(split['image']):,} {name}"
        for name in ("train", "valid", "test")
        if (split := getattr(dataset, name)) is not None
    )
    lines = [
        models.parameter_table(variables),
        f"data: {dataset.name}, {counts}, images {tuple(config.model.image_shape)}",
    ]
    lines.append(f"{num_steps:,} steps of {config.data.batch_size} images, {steps_per_epoch:,.1f} to an epoch")
    return "\n".join(lines)


def _describe_scale(config: Config) -> str:
    """Say what beta is on the scales it is quoted on: nats, mean squared error, pixels in [0, 1]."""
    reconstruction, rate = config.objective.reconstruction, config.objective.rate
    if not isinstance(rate.get("beta"), int | float):  # there is none, or a schedule of it
        return f"rate: {rate.name}"
    if reconstruction.name != "gaussian" or "sigma" not in reconstruction:
        return f"beta {rate.beta:g} (nats)"
    pixels = math.prod(config.model.image_shape)
    low, high = config.data.range
    beta = rate.beta * reconstruction.sigma**2
    return (
        f"beta {rate.beta:g} (nats, sigma {reconstruction.sigma:g}) = kld_weight {2 * beta / pixels:.4g} "
        f"= beta {beta / (high - low) ** 2:.4g} for pixels in [0, 1]"
    )
