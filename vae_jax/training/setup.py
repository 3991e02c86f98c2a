"""What a run is made of, built once from a configuration, a data set and what the directory holds already."""

import math
import os
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from vae_jax import errors, models
from vae_jax.config import Config, build, comparison, given, serialization
from vae_jax.data import batches
from vae_jax.data.dataset import Dataset
from vae_jax.devices import description, processes
from vae_jax.devices.runner import Runner
from vae_jax.evaluation import elbo
from vae_jax.losses.objectives import Objective
from vae_jax.runs import checkpoint, integrity, metric_writer, progress_line, workdir
from vae_jax.training import train_state
from vae_jax.training.parts import make_keys, make_parts, make_runner, open_state

OnMetrics = Callable[[int, str, dict[str, float]], None]


class Run(NamedTuple):
    """What a run is made of, built once."""

    config: Config
    path: pathlib.Path
    dataset: Dataset
    num_steps: int
    model: models.VAE
    runner: Runner
    eval_step: Callable[..., Any]
    mesh: Any
    manager: Any
    writer: metric_writer.Writer
    progress: progress_line.Progress
    keys: dict[str, jax.Array]  # as make_keys returns them
    on_metrics: OnMetrics | None = None  # called with (step, split, metrics)


def has_checkpoint(path: pathlib.Path) -> bool:
    """Return whether there is a checkpoint in the directory that a run goes on from."""
    directory = path / "checkpoints"
    return directory.is_dir() and any(saved.name.isdigit() for saved in directory.iterdir())


def check_same_run(stored: Config, asked: Config, path: pathlib.Path) -> None:
    """Refuse a configuration other than the directory's, by its fields, once there is a checkpoint to go on from.

    Raises:
        errors.UserError: names the fields.
    """
    if not has_checkpoint(path):
        return
    given.check_same(stored, asked, path)
    asked = asked.copy_and_resolve_references()
    with asked.unlocked():
        if not asked.model.image_shape:
            asked.model.image_shape = stored.model.image_shape
    differences = comparison.contradictions(stored, asked)
    if differences:
        raise errors.UserError(
            f"{path} holds another run: {'; '.join(differences)}; use its own values, or "
            f"start another run from its weights: --workdir=ANOTHER --init_from={path}"
        )


def resolve(config: Config, dataset: Dataset) -> Config:
    """Fill in what follows from the data, so that the saved configuration describes the model alone."""
    config = serialization.from_json(serialization.to_json(config))
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
        config.data.label_names = tuple(map(str, dataset.label_names))
        for field in ("dir", "split_file"):
            if config.data[field]:
                config.data[field] = os.path.abspath(os.path.expanduser(config.data[field]))
    return config


def open_run(
    config: Config,
    path: pathlib.Path,
    dataset: Dataset,
    mesh: Any,
    *,
    objective: Objective | None = None,
    model: Any = None,
    init_from: Any = None,
    on_metrics: OnMetrics | None = None,
) -> tuple[Run, train_state.TrainState]:
    """Return a run and its state: the newest checkpoint's, another run's weights, or fresh ones; say which."""
    number = len(dataset.train["image"])
    num_steps, steps_per_epoch = build.count_steps(config, number), number / config.data.batch_size
    parts = make_parts(config, number, objective, model)
    runner, keys = make_runner(config, mesh, parts), make_keys(config.seed)
    talk = progress_line.Progress if processes.leads() else progress_line.SilentProgress
    progress = talk(num_steps, steps_per_epoch, config.data.batch_size)
    fresh = models.init(parts.model, keys["init"])
    variables = models.set_output_bias(parts.model, fresh, dataset.train["image"])
    progress.say(_describe(config, variables, num_steps, steps_per_epoch, dataset))
    progress.say(f"computing on {description.describe()}")
    if hint := description.idle_gpu_hint():
        progress.say(hint)
    if objective is None:
        progress.say(_describe_scale(config))

    manager = checkpoint.open_for_training(path, config.keep)
    begun = bool(manager.all_steps())
    if init_from is not None and not begun:
        variables = _initial_weights(init_from, variables)
    state = open_state(config, parts, variables, keys["loop"], mesh, manager, progress.say)
    step = int(state.step)
    if begun:
        progress.say(f"resuming {path} at step {step}")
    if step > num_steps:
        raise errors.UserError(
            f"{path} is at step {step}, past the {num_steps} asked for; ask for more, or use another --workdir"
        )
    run = Run(
        config=config,
        path=path,
        dataset=dataset,
        num_steps=num_steps,
        model=parts.model,
        runner=runner,
        eval_step=elbo.make_eval_step(parts.model, parts.eval_objective, batches.make_prepare(parts.model, flip=False)),
        mesh=mesh,
        manager=manager,
        writer=metric_writer.Writer(path, resumed_at=step) if processes.leads() else metric_writer.SilentWriter(),
        progress=progress,
        keys=keys,
        on_metrics=on_metrics if processes.leads() else None,
    )
    return run, runner.place(state)


def write_metrics(run: Run, step: int, split: str, metrics: dict[str, float]) -> None:
    """Write metrics to the run's files, and hand them to the caller's `on_metrics`."""
    tolerantly(run, "metrics", run.writer.write_scalars, step, split, metrics)
    if run.on_metrics is not None:
        run.on_metrics(step, split, metrics)


def tolerantly(run: Run, what: str, write: Callable[..., None], *arguments: Any) -> None:
    """Write what training can do without: a full disk is told, and training goes on."""
    try:
        write(*arguments)
    except OSError as error:
        run.progress.say(f"{what} could not be written ({error.strerror or error}); training goes on")


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
