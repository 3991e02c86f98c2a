"""The images that a mode reads, and the files of images that a mode writes."""

import io
import pathlib
from collections.abc import Iterator

import numpy as np

from vae_jax import errors
from vae_jax.cli.options import Images, RunData, Sample
from vae_jax.config import Config
from vae_jax.data import dataset, sources, user_images
from vae_jax.report import pictures
from vae_jax.runs import workdir
from vae_jax.runs.restore import Say

CHUNK = 512  # images that are in memory at a time where all images of a split or of --input are gone through


def images_of(config: Config, options: Images) -> dataset.Split:
    """Return the images of --input, fitted to the model, or else the split of the run's data that --split names."""
    if options.input:
        shape = tuple(config.model.image_shape)
        return user_images.load_images(
            options.input, config.data.crop, shape, label_names=tuple(config.data.label_names), data=config.data
        )
    return split_of(dataset_of(config, options), options.split)


def parts_of(config: Config, options: Images) -> Iterator[dataset.Split]:
    """Yield what `images_of` returns in parts of at most CHUNK images, so that any number of images fits in memory.

    Every part has "name", and "class" where the images have classes with names, which are those of the run.
    """
    known = tuple(config.data.label_names)
    if options.input:
        shape = tuple(config.model.image_shape)
        parts = user_images.stream_images(
            options.input, config.data.crop, shape, label_names=known, data=config.data, chunk=CHUNK
        )
    else:
        loaded = dataset_of(config, options)
        known = loaded.label_names or known
        parts = _sliced(split_of(loaded, options.split), options.split)
    for part in parts:
        label = part.get("label")
        named = label is not None and label.ndim == 1 and label.max() < len(known)
        yield part | {"class": np.array(known)[label]} if named else part


def _sliced(split: dataset.Split, name: str) -> Iterator[dataset.Split]:
    """Yield a split in parts; an image without a name is called by the split and its row, such as "train/17"."""
    num = len(split["image"])
    for start in range(0, num, CHUNK):
        part = {key: np.asarray(values[start : start + CHUNK]) for key, values in split.items()}
        rows = range(start, min(start + CHUNK, num))
        yield {"name": np.array([f"{name}/{row}" for row in rows])} | part


def dataset_of(config: Config, options: RunData) -> dataset.Dataset:
    """Return the data that the run was trained on, from the place where they are now.

    Raises:
        errors.UserError: the data were given from Python and are stored nowhere, or they are not in that place.
    """
    if config.data.source == "array":
        raise errors.UserError(
            "this run was trained on arrays given from Python, which are not stored; "
            "use --input DIR in a mode that takes it"
        )
    if options.data_dir:
        with config.unlocked():
            config.data.dir = options.data_dir
    return sources.load(config.data)


def split_of(loaded: dataset.Dataset, name: str) -> dataset.Split:
    """Return the split of that name.

    Raises:
        errors.UserError: the data have no such split.
    """
    split = getattr(loaded, name)
    if split is None:
        raise errors.UserError(f"{loaded.name} has no {name} split; choose another --split")
    return split


def training_images(config: Config, options: Images | Sample) -> np.ndarray:
    """Return the run's training images; for a run that was trained on arrays, the images of --input."""
    if config.data.source == "array":
        return images_of(config, Images(input=options.input))["image"]
    return dataset_of(config, options).train["image"]


def write_images(path: str, name: str, images: np.ndarray, sheet: np.ndarray, say: Say) -> None:
    """Write NAME.npy with the images [N, H, W, C] and NAME.png with a sheet that shows them."""
    directory = pathlib.Path(path)
    buffer = io.BytesIO()
    np.save(buffer, images)
    workdir.write_atomically(directory / f"{name}.npy", buffer.getvalue())
    pictures.save_png(directory / f"{name}.png", sheet)
    say(f"wrote {directory / name}.png and .npy: {len(images)} images {images.shape[1:]}")
