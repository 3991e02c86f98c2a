"""Sheets and animations as data URIs of bounded size, so that a page with pictures of any size stays small.

A sheet that is small enough is stored without loss, as PNG. A larger sheet becomes a WebP with losses and is reduced
until it fits, and the note of its `Embedded` says so. The sheets that `pictures` writes to files are never reduced.
"""

import base64
import io
import pathlib
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

MOST_BYTES = 400_000  # of a sheet: twelve sheets, an animation and plotly's script stay below 10 MB as base64
MOST_ANIMATED_BYTES = 1_000_000  # of an animation
WIDEST = 1040  # pixels of a reduced sheet: twice the width at which a page shows it
WIDEST_ANIMATED = 520  # pixels of a reduced animation
MOST_FRAMES = 30  # of a reduced animation
SHRINK = 0.75  # what the width is multiplied by while a picture is too large
NARROWEST = 64  # pixels; a picture is not reduced further, whatever its bytes
QUALITY = {"quality": 85, "method": 2}


class Embedded(NamedTuple):
    """A picture inside a page: its data URI, its own size in pixels, and what was changed to make it fit."""

    source: str
    width: int
    height: int
    note: str = ""


def picture(sheet: np.ndarray, most_bytes: int = MOST_BYTES) -> Embedded:
    """Return a uint8 picture [H, W, 3] as a data URI of at most `most_bytes` bytes before base64."""
    image = Image.fromarray(sheet)
    png = _encoded(image, "PNG", optimize=True) if sheet.nbytes < 40 * most_bytes else None
    if png is not None and len(png) <= most_bytes:
        return Embedded(_data_uri(png, "png"), *image.size)
    return _reduced([image], image.width, WIDEST, most_bytes, "stored with losses")


def animation(file: pathlib.Path, most_bytes: int = MOST_ANIMATED_BYTES) -> Embedded:
    """Return a GIF file as a data URI of at most `most_bytes` bytes before base64, with fewer frames if need be."""
    data = file.read_bytes()
    with Image.open(io.BytesIO(data)) as gif:
        size, total = gif.size, getattr(gif, "n_frames", 1)
        if len(data) <= most_bytes:
            return Embedded(_data_uri(data, "gif"), *size)
        chosen = np.unique(np.linspace(0, total - 1, min(total, MOST_FRAMES)).round().astype(int))
        frames = []
        for index in chosen:
            gif.seek(int(index))
            frames.append(_resized(gif.convert("RGB"), WIDEST_ANIMATED))
        duration = gif.info.get("duration", 100) * total // len(chosen)
    fewer = f", {len(chosen)} of {total} frames" if len(chosen) < total else ""
    return _reduced(frames, size[0], WIDEST_ANIMATED, most_bytes, f"stored with losses{fewer}", duration)


def _reduced(
    frames: list[Image.Image], full_width: int, widest: int, most_bytes: int, note: str, duration: int = 0
) -> Embedded:
    """Return frames as a WebP with losses, as wide as `most_bytes` allow; the note names the width if it is smaller."""
    width = min(full_width, widest)
    while True:
        first, *rest = [_resized(frame, width) for frame in frames]
        moving = {"save_all": True, "append_images": rest, "duration": duration, "loop": 0} if rest else {}
        data = _encoded(first, "WEBP", **QUALITY, **moving)
        if len(data) <= most_bytes or width <= NARROWEST:
            break
        width = max(NARROWEST, int(SHRINK * width))
    if width < full_width:
        note += f", {width:,} of {full_width:,} pixels wide"
    return Embedded(_data_uri(data, "webp"), *first.size, note)


def _resized(image: Image.Image, width: int) -> Image.Image:
    if width >= image.width:
        return image
    height = max(1, round(image.height * width / image.width))
    return image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)


def _encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
