"""The images that a mode works on, and the files of images that a mode writes."""

import io
import pathlib

import numpy as np

from vae_jax import errors
from vae_jax.cli.options import Options
from vae_jax.config import Config
from vae_jax.data import dataset, sources, user_images
from vae_jax.report import pictures
from vae_jax.runs import workdir
from vae_jax.runs.restore import Say


def images_of(config: Config, given: Options) -> dataset.Split:
    """Return the user's own images, fitted to the model, or a split of the run's data."""
    if given.input:
        return user_images.load_images(given.input, config.data.crop, tuple(config.model.image_shape), data=config.data)
    return split_of(dataset_of(config, given), given.split)


def dataset_of(config: Config, given: Options) -> dataset.Dataset:
    """Return the data that the run was trained on, from where the data lie now."""
    if config.data.source == "array":
        raise errors.UserError("this run was trained on an array given from Python; give images with --input DIR")
    if given.data_dir:
        with config.unlocked():
            config.data.dir = given.data_dir
    return sources.load(config.data)


def split_of(loaded: dataset.Dataset, name: str) -> dataset.Split:
    """Return the split of that name, or raise errors.UserError where the data have none."""
    split = getattr(loaded, name)
    if split is None:
        raise errors.UserError(f"{loaded.name} has no {name} split; choose another --split")
    return split


def training_images(config: Config, given: Options) -> np.ndarray:
    """Return the run's training images; for a run that was trained on an array, the images of --input."""
    own_images = given.input if config.data.source == "array" else ""
    return images_of(config, given._replace(split="train", input=own_images))["image"]


def write_images(path: str, name: str, images: np.ndarray, sheet: np.ndarray, say: Say) -> None:
    """Write NAME.npy with the images [N, H, W, C] and NAME.png with a sheet that shows them."""
    directory = pathlib.Path(path)
    buffer = io.BytesIO()
    np.save(buffer, images)
    workdir.write_atomically(directory / f"{name}.npy", buffer.getvalue())
    pictures.save_png(directory / f"{name}.png", sheet)
    say(f"wrote {directory / name}.png and .npy: {len(images)} images {images.shape[1:]}")
