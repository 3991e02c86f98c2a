"""Arrays to PNG and GIF: uint8 images [N, H, W, C] laid out on a grid."""

import io
import math
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from vae_jax.runs import workdir

SMALLEST_SIDE = 64  # pixels; smaller images are enlarged by whole factors so that a person can see them
LABEL_WIDTH = 64  # pixels left of labelled rows


def grid(images: np.ndarray, columns: int | None = None, *, gap: int = 2) -> np.ndarray:
    """Lay out images [N, H, W, C] row by row; returns uint8 [H', W', 3], a white gap in pixels between them."""
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
    """Lay out pairs: each row of originals with the row of their reconstructions under it."""
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
    """Lay out images [R, T, H, W, C], a row a line with its label to the left."""
    sheet = grid(rows.reshape(-1, *rows.shape[2:]), rows.shape[1])
    canvas = Image.new("RGB", (sheet.shape[1] + LABEL_WIDTH, sheet.shape[0]), "white")
    canvas.paste(Image.fromarray(sheet), (LABEL_WIDTH, 0))
    draw, height = ImageDraw.Draw(canvas), sheet.shape[0] / len(labels)
    for index, label in enumerate(labels):
        draw.multiline_text((6, height * (index + 0.5)), label, "black", anchor="lm", spacing=2)
    return np.asarray(canvas)


def save_gif(path: pathlib.Path, frames: Sequence[np.ndarray], milliseconds: int) -> None:
    """Write uint8 pictures [H, W, 3] of one size as a GIF without end, whole or not at all."""
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
    """Return three channels [N, H, W, 3]: the first three, or the first one three times."""
    channels = images.shape[-1]
    if channels >= 3:
        return images[..., :3]
    return images[..., :1].repeat(3, axis=-1)
