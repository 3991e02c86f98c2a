"""Sheets of images: uint8 images [N, H, W, C] laid out on a grid, and sheets as PNG and GIF files.

The training, the modes and the report draw their pictures here. Sheets inside a page are in `embedding`.
"""

import io
import math
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from vae_jax.report import row_labels
from vae_jax.runs import workdir

SMALLEST_SIDE = 64  # pixels; smaller images are enlarged by whole factors so that a person can see them
GAP = 2  # pixels of white between the images of a sheet


def grid(images: np.ndarray, columns: int | None = None, *, gap: int = GAP) -> np.ndarray:
    """Return a uint8 sheet [H', W', 3] with images [N, H, W, C] row by row.

    Args:
        images: uint8, one or more.
        columns: images in a row; None makes the sheet about as wide as high, counted in images.
        gap: pixels of white around each image.

    Raises:
        ValueError: the images are not uint8 [N, H, W, C].
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
        raise ValueError(f"a grid takes uint8 images [N, H, W, C], one or more, not {images.dtype} {images.shape}")
    images = to_rgb(images)
    factor = max(1, math.ceil(SMALLEST_SIDE / max(images.shape[1:3])))
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    number, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(number))
    rows = math.ceil(number / columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = gap + index // columns * (height + gap), gap + index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image
    return sheet


def beside(originals: np.ndarray, reconstructions: np.ndarray, columns: int = 8) -> np.ndarray:
    """Return a sheet of originals [N, H, W, C] in rows, each row with the row of the reconstructions below."""
    rows = []
    for start in range(0, len(originals), columns):
        rows.append(originals[start : start + columns])
        rows.append(reconstructions[start : start + columns])
        short = columns - len(rows[-1])
        if short:
            blank = np.full((short, *originals.shape[1:]), 255, np.uint8)
            rows[-2:] = [np.concatenate([row, blank]) for row in rows[-2:]]
    return grid(np.concatenate(rows), columns)


def labelled_rows(rows: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Return a uint8 sheet [H', W', 3] of images [R, T, H, W, C]: R rows of T images, each row after its label."""
    sheet = grid(rows.reshape(-1, *rows.shape[2:]), rows.shape[1], gap=GAP)
    row_height = (len(sheet) - GAP) // len(rows)
    margin = row_labels.margin(labels, row_height)
    foot = np.full((GAP, margin.shape[1], 3), 255, np.uint8)
    return np.concatenate([np.concatenate([margin, foot]), sheet], 1)


def save_gif(path: pathlib.Path, frames: Sequence[np.ndarray], milliseconds: int) -> None:
    """Write uint8 pictures [H, W, 3] of one size as a GIF that repeats without end, whole or not at all."""
    first, *rest = [Image.fromarray(frame) for frame in frames]
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=milliseconds, loop=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    workdir.write_atomically(path, buffer.getvalue())


def load_png(path: pathlib.Path) -> np.ndarray:
    """Return a picture as uint8 [H, W, 3]."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def save_png(path: pathlib.Path, sheet: np.ndarray) -> None:
    """Write a uint8 picture [H, W, 3] as PNG, whole or not at all."""
    buffer = io.BytesIO()
    Image.fromarray(sheet).save(buffer, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    workdir.write_atomically(path, buffer.getvalue())


def to_rgb(images: np.ndarray) -> np.ndarray:
    """Return images [N, H, W, 3]: the first three channels, or the first channel three times where there are fewer."""
    channels = images.shape[-1]
    if channels >= 3:
        return images[..., :3]
    return images[..., :1].repeat(3, axis=-1)
