"""The start of a run: checks of its directory, its configuration completed from the data, and all parts put together.

`loop` calls the functions in this order. The parts are built in `parts`; nothing here trains.
"""

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
    """Everything that the loop needs of a run except its state."""

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
    """Return whether the directory of a run has a checkpoint."""
    directory = path / "checkpoints"
    return directory.is_dir() and any(saved.name.isdigit() for saved in directory.iterdir())


def check_same_run(stored: Config, asked: Config, path: pathlib.Path) -> None:
    """Check that a configuration does not contradict that of the run in a directory.

    A directory without a checkpoint accepts every configuration.

    Args:
        stored: the configuration in the directory.
        asked: the configuration that the user asks for.
        path: the run's directory.

    Raises:
        errors.UserError: the configurations differ; the message names the fields.
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
    """Return the configuration with the values that follow from the data, so that it describes the model completely.

    Raises:
        errors.UserError: the shape of the images or the number of images does not fit the configuration.
    """
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
    """Return a run and its state, and print what the run consists of.

    The state is that of the newest checkpoint. Without a checkpoint, the weights are those of `init_from`, or fresh.

    Args:
        config: the resolved configuration.
        path: the run's directory.
        dataset: the data of the run.
        mesh: the devices of the run.
        objective: an objective in place of `config.objective`, or None.
        model: a module in place of `config.model`, or None.
        init_from: the directory of another run, or None.
        on_metrics: called with (step, split, metrics), or None.

    Raises:
        errors.UserError: the run is past the number of steps asked for.
    """
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
    """Write metrics to the run's files, and call `on_metrics` with them."""
    tolerantly(run, "metrics", run.writer.write_scalars, step, split, metrics)
    if run.on_metrics is not None:
        run.on_metrics(step, split, metrics)


def tolerantly(run: Run, what: str, write: Callable[..., None], *arguments: Any) -> None:
    """Call a function that writes a file which training does not need; print a line if the disk is full, and go on.

    Args:
        run: the run.
        what: the name of the file's content, for the line.
        write: the function.
        arguments: its arguments.
    """
    try:
        write(*arguments)
    except OSError as error:
        run.progress.say(f"{what} could not be written ({error.strerror or error}); training goes on")


def _initial_weights(init_from: Any, variables: Any) -> Any:
    """Return the weights and statistics of another run, after a check that they fit this model."""
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
    """Return a line with beta on the scales that papers use: nats, mean squared error, and pixels in [0, 1]."""
    reconstruction, rate = config.objective.reconstruction, config.objective.rate
    if not isinstance(rate.get("beta"), int | float):  # the rate has no beta, or beta is a schedule
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
