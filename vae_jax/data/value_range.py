"""Which numbers of a source are black and white, and what a user is told about them.

Sources of arrays call `to_uint8`; files are scaled while they are decoded (`vae_jax.data.images`). Every source says
one line about the range that was found (`describe`). `vae_jax.data.batches` turns uint8 into a model's input.
"""

import numpy as np

from vae_jax import errors

_DARK = 31  # a highest level of an eighth of white or less is no picture of 8 bits
_SLAB = 2**24  # values scaled at a time


def describe(low: int, high: int) -> list[str]:
    """Return the sentence about the lowest and highest level of the training images, of 0 to 255."""
    if low == high:
        return [f"warning: every pixel of every image is {low}: look at the data before training"]
    if high <= _DARK:
        return [
            f"warning: pixel values run from {low} to {high} where 255 is white, so every image is nearly black: "
            f"if {high} means white, set --config.data.value_range=0,{high}"
        ]
    return [f"pixel values run from {low} to {high} (0 is black, 255 is white)"]


def levels(images: np.ndarray) -> tuple[int, int]:
    """Return the lowest and the highest value of uint8 images."""
    return int(images.min()), int(images.max())


def to_uint8(what: str, values: np.ndarray, value_range: tuple[float, ...]) -> np.ndarray:
    """Return round(255 (v - low) / (high - low)) as uint8, in the shape of `values`.

    Args:
        what: the name of the array, for messages.
        values: bool or numbers.
        value_range: (low, high), the values that mean black and white; () takes uint8 as it is, and bool as 0 and 255.

    Raises:
        UserError: the range is needed and not given, or values are outside it or not finite.
    """
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if not value_range:
        if values.dtype == np.uint8:
            return values
        raise errors.UserError(
            f"{what} must be uint8 (or bool) {_SHAPES}, not {values.dtype} {list(values.shape)}{_suggestion(values)}"
        )
    low, high = value_range
    out = np.empty(values.shape, np.uint8)
    flat, source = out.reshape(-1), values.reshape(-1)
    for start in range(0, len(source), _SLAB):
        part = source[start : start + _SLAB].astype(np.float64)
        outside = ~((part >= low) & (part <= high))  # NaN is outside too
        if outside.any():
            raise errors.UserError(
                f"{what} holds {part[outside][0]:g}, outside data.value_range={low:g},{high:g}: "
                "correct the range, or clip the values"
            )
        flat[start : start + _SLAB] = np.rint((part - low) * (255 / (high - low)))
    return out


_SHAPES = "[N, H, W] or [N, H, W, C]"


def _suggestion(values: np.ndarray) -> str:
    """Return what to do with numbers that are not bytes."""
    if values.dtype.kind not in "iuf" or not values.size:
        return ""
    low, high = float(np.min(values)), float(np.max(values))
    if not np.isfinite([low, high]).all():
        return "; some values are not finite, so correct them first"
    tops = [top for top in (1, 255, 4095, 65535) if high <= top] or [high]
    bottom = 0 if low >= 0 else (-1 if tops[0] == 1 and low >= -1 else low)
    return (
        f"; its values run from {low:g} to {high:g}, so --config.data.value_range={bottom:g},{tops[0]:g} "
        "says which are black and white (rounded to 8 bits)"
    )
