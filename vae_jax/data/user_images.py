"""A user's own images for a trained model: decoded in memory, in order of name, fitted to the model's shape."""

from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import dataset, folder, images, progress, stores, workers


def load_images(path: str, crop: str, image_shape: tuple[int, int, int], limit: int | None = None) -> dataset.Split:
    """Return the images below a directory or in a .zip, as the model of `image_shape` (H, W, C) takes them.

    Smaller images are enlarged; an image too small for the run's crop is cropped to its largest square. Colour
    becomes grey, or grey colour, as the model has it. The first directory level is the label, if there is one.

    Raises:
        errors.UserError: no such place, or no usable image in it.
    """
    height, width, channels = image_shape
    store = stores.open_path(Path(path).expanduser())
    names = [member.name for member in store.members][:limit]
    recipes = [images.Recipe(name, (height, width), enlarge=True) for name in dict.fromkeys((crop, "square"))]
    pixels, kept, skipped = [], [], []
    for index, name in enumerate(names):
        for recipe in recipes:
            decoded = workers.decode_one(store, name, recipe)
            if decoded.pixels is not None:
                break
        if decoded.pixels is None:
            skipped.append((name, decoded.reason))
            continue
        pixels.append(_with_channels(decoded.pixels, channels))
        kept.append(index)
    if skipped:
        progress.say(stores.describe(skipped))
    if not pixels:
        raise errors.UserError(f"there is no usable image in {path}; give --input a folder or .zip of images")
    labels, _ = folder.labels_of(names)
    return {"image": np.stack(pixels)} | {name: values[kept] for name, values in labels.items()}


def _with_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Grey to colour by repetition, colour to grey by ITU-R BT.601's weights; uint8 [H, W, C]."""
    if pixels.shape[-1] == channels:
        return pixels
    if channels == 1:
        grey = pixels.astype(np.float32) @ np.float32([0.299, 0.587, 0.114])
        return np.round(grey).astype(np.uint8)[..., None]
    if pixels.shape[-1] == 1:
        return pixels.repeat(channels, axis=-1)
    raise errors.UserError(f"the model's images have {channels} channels; folders of images give 1 or 3")
