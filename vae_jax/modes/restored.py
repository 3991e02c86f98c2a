"""What the modes share: a run restored from its directory, the images to work on, and pictures written there."""

import functools
import io
import os
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from vae_jax import checkpoint, configuration, errors, integrity, models, pictures, workdir
from vae_jax.data import dataset, own, sources
from vae_jax.modes.options import Options
from vae_jax.training import build

Say = Callable[[str], None]


class Restored(NamedTuple):
    model: models.VAE
    variables: dict[str, Any]
    config: configuration.Config


def restore_step(
    path: str | os.PathLike[str], which: str = "latest", say: Say = print, *, allow_import: bool = False
) -> tuple[int, Restored]:
    """Return the step of the checkpoint that `restore` takes, and what it returns."""
    saved = checkpoint.restore_variables(workdir.existing(path), which, say)
    config = configuration.from_run(saved.config)
    configuration.validate(config)
    model = build.make_model(config, allow_import=allow_import)
    expected = jax.eval_shape(functools.partial(models.init, model), jax.random.key(0))
    integrity.check_same_model(saved.variables, expected)
    return saved.step, Restored(model, saved.variables, config)


def restore(
    path: str | os.PathLike[str], which: str = "latest", say: Say = print, *, allow_import: bool = False
) -> Restored:
    """Return the model, its parameters and running statistics alone, and the configuration of a run.

    Args:
        path: the run's directory; nothing else is needed.
        which: "latest", "best", or a step.
        say: told of a damaged checkpoint that was passed over.
        allow_import: import the model's code where config.json names a module of the trainer's own.

    Raises:
        errors.UserError: no run there, no such checkpoint, one that is not of its configuration, or code that may not
            be imported.
    """
    return restore_step(path, which, say, allow_import=allow_import)[1]


def images_of(config: configuration.Config, given: Options) -> dataset.Split:
    """Return the user's own images, fitted to the model, or a split of the run's data."""
    if given.input:
        return own.load_images(given.input, config.data.crop, tuple(config.model.image_shape))
    return split_of(dataset_of(config, given), given.split)


def dataset_of(config: configuration.Config, given: Options) -> dataset.Dataset:
    """Return the data that the run was trained on, from where they lie now."""
    if config.data.source == "array":
        raise errors.UserError("this run was trained on an array given from Python; give images with --input DIR")
    if given.data_dir:
        with config.unlocked():
            config.data.dir = given.data_dir
    return sources.load(config.data)


def split_of(loaded: dataset.Dataset, name: str) -> dataset.Split:
    split = getattr(loaded, name)
    if split is None:
        raise errors.UserError(f"{loaded.name} has no {name} split; choose another --split")
    return split


def write_images(path: str, name: str, images: np.ndarray, sheet: np.ndarray, say: Say) -> None:
    directory = pathlib.Path(path)
    buffer = io.BytesIO()
    np.save(buffer, images)
    workdir.write_atomically(directory / f"{name}.npy", buffer.getvalue())
    pictures.save_png(directory / f"{name}.png", sheet)
    say(f"wrote {directory / name}.png and .npy: {len(images)} images {images.shape[1:]}")
