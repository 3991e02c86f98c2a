"""A user's own images for a trained model: fitted to the model's shape, and their classes matched by name.

The images may be a directory, a .zip, one image or a file of arrays. Nothing is kept in the cache, and training data
are not read here (`vae_jax.data.sources`).
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ml_collections import config_dict

from vae_jax import errors
from vae_jax.data import arrays, dataset, file_kinds, images, interrupts, layout, progress, stores, workers

FLAG = "--input"


def load_images(
    path: str,
    crop: str,
    image_shape: tuple[int, int, int],
    *,
    label_names: tuple[str, ...] = (),
    data: Any | None = None,
) -> dataset.Split:
    """Return the images at `path` as a model of `image_shape` takes them, in order of name.

    Smaller images are enlarged; an image too small for the run's crop is cropped to its largest square. Colour
    becomes grey, or grey colour, as the model has it.

    Args:
        path: a directory, a .zip, an image, or a file of arrays.
        crop: the crop of the run.
        image_shape: (H, W, C) of the model.
        label_names: the classes of the run. An image's class is its directory, and its label the number of that class
            in the run; without a match there are no labels, and a line says so. Without `label_names` the classes are
            numbered in order of name.
        data: the run's config.data, for the layout, value range, frames and axes of its images.

    Raises:
        UserError: there is nothing at `path`, or no usable image in it.
    """
    parts = list(stream_images(path, crop, image_shape, label_names=label_names, data=data))
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def stream_images(
    path: str,
    crop: str,
    image_shape: tuple[int, int, int],
    *,
    label_names: tuple[str, ...] = (),
    data: Any | None = None,
    chunk: int = 512,
) -> Iterator[dataset.Split]:
    """Yield what `load_images` returns in parts of at most `chunk` images, so that any number fits in memory."""
    place = Path(path).expanduser()
    height, width, channels = image_shape
    value_range, frames = (tuple(data.value_range), data.frames) if data is not None else ((), "first")
    recipe = images.Recipe(crop, (height, width), enlarge=True, value_range=value_range, frames=frames)
    if place.is_file() and file_kinds.kind_of(place) in ("npz", "npy", "hdf5"):
        yield from _from_array_file(place, recipe, channels, data, chunk)
        return
    store = stores.open_path(place, FLAG)
    for sentence in store.unused.said():
        progress.say(sentence)
    sizes = {member.name: member.size for member in store.members}
    if not sizes:
        raise errors.UserError(f"there is no usable image in {path}; give {FLAG} a folder or .zip of images")
    numbers = _labels(place, list(sizes), label_names, "auto" if data is None else data.layout)
    yield from _decoded(place, store, sizes, numbers, recipe, channels, chunk)


def _decoded(
    place: Path, store, sizes: dict, numbers: dict, recipe, channels: int, chunk: int
) -> Iterator[dataset.Split]:
    """Yield the decoded images in parts, and say at the end which were skipped."""
    names, skipped, held, num_used = list(sizes), [], [], 0
    square = dataclasses.replace(recipe, crop="square")
    with (
        interrupts.noticed() as check,
        workers.decoding(store, names, recipe, sum(sizes.values()), check) as stream,
    ):
        for item in stream:
            check()
            if item.pixels is None:
                item = workers.decode_one(store, item.name, square)
            if item.pixels is None:
                skipped.append((item.name, item.reason))
                continue
            held.append((item.name, with_channels(item.pixels, channels)))
            if len(held) == chunk:
                yield _as_split(held, numbers)
                num_used, held = num_used + len(held), []
    if skipped:
        progress.say(f"skipped {len(skipped):,} of {len(names):,} images: {stores.describe(skipped)}")
    if held:
        yield _as_split(held, numbers)
    if not held and not num_used:
        raise errors.UserError(f"there is no usable image in {place}; give {FLAG} a folder or .zip of images")


def _as_split(held: list[tuple[str, np.ndarray]], numbers: dict[str, int]) -> dataset.Split:
    split = {"image": np.stack([pixels for _, pixels in held]), "name": np.array([name for name, _ in held])}
    if numbers:
        split["label"] = np.array([numbers[name] for name, _ in held], np.int32)
    return split


def _labels(place: Path, names: list[str], label_names: tuple[str, ...], wanted: str) -> dict[str, int]:
    """Return the class number of every name, {} where the images have no classes, or others than the run."""
    found = layout.read_layout(names, "auto" if wanted == "splits" else wanted)
    classes = found.classes
    if not classes and place.stem in label_names:
        classes = dict.fromkeys(names, place.stem)
        progress.say(f"the images of {place} are taken as the class {place.stem}")
    if not classes:
        return {}
    bare = [name for name in names if name not in classes]
    if bare:
        progress.say(f"no labels: {len(bare):,} images are in no class directory, such as {progress.names(bare)}")
        return {}
    known = label_names or tuple(sorted(set(classes.values())))
    unknown = sorted(set(classes.values()) - set(known))
    if unknown:
        progress.say(
            f"no labels: {progress.names(unknown)} are no classes of this run; its classes are "
            + progress.names(list(known), 10)
        )
        return {}
    return {name: known.index(classes[name]) for name in names}


def _from_array_file(place: Path, recipe, channels: int, data, chunk: int) -> Iterator[dataset.Split]:
    """Yield the images of a file of arrays, named by their rows."""
    if data is None:
        data = config_dict.ConfigDict({"axes": "", "frames": recipe.frames, "value_range": recipe.value_range})
    pixels = arrays.read_images(place, data)
    height, width = pixels.shape[1:3]
    if recipe.crop != "square" and images.too_small(recipe.crop, width, height):
        recipe = dataclasses.replace(recipe, crop="square")
    for start in range(0, len(pixels), chunk):
        part = images.fit_array(pixels[start : start + chunk], recipe)
        names = np.array([str(row) for row in range(start, start + len(part))])
        yield {"image": np.stack([with_channels(image, channels) for image in part]), "name": names}


def with_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Return uint8 [H, W, channels]: grey to colour by repetition, colour to grey by ITU-R BT.601's weights.

    Raises:
        UserError: there is no such conversion.
    """
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 1 and pixels.shape[-1] == 3:
        grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
        return np.round(grey).astype(np.uint8)[..., None]
    if pixels.shape[-1] == 1:
        return pixels.repeat(channels, axis=-1)
    raise errors.UserError(f"the model's images have {channels} channels and these have {pixels.shape[-1]}")
