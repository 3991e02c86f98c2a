"""The axes of an array of images: `data.axes` says what they are, and what is plainly another order is refused."""

import math

import numpy as np

from vae_jax import errors

_MOST_CHANNELS = 4
LETTERS = "NTHWC"
FRAMES = ("first", "all")


def num_images(array: np.ndarray, data) -> int:
    """Return the size of the axis N, or 0 where there is none."""
    place = data.axes.upper().find("N") if data.axes else 0
    return array.shape[place] if 0 <= place < array.ndim else 0


def to_nhwc(what: str, array: np.ndarray, data) -> np.ndarray:
    """Return the images as [N, H, W, C], without copying where that can be helped.

    Args:
        what: the name of the array, for messages.
        array: of any kind of numbers.
        data: the config section; reads `axes`, the letters of the array's axes in order (N images, T frames, H height,
            W width, C channels), and `frames`, "first" or "all", where there is an axis T.

    Raises:
        UserError: the array has other axes than `data.axes` says, or its axes are not those of images.
    """
    if data.axes:
        return _by_letters(what, array, data.axes, data.frames)
    shape = list(array.shape)
    if array.ndim == 2 and 0 not in shape:
        raise errors.UserError(f"{what} must be uint8 (or bool) [N, H, W] or [N, H, W, C], not {shape}{_square(shape)}")
    if array.ndim not in (3, 4) or 0 in shape[1:]:
        hint = "; say --config.data.axes=NTHWC if axis 2 is frames" if array.ndim == 5 else ""
        raise errors.UserError(
            f"{what} must be uint8 (or bool) [N, H, W] or [N, H, W, C], not {array.dtype} {shape}{hint}"
        )
    if array.ndim == 3:
        return array[..., None]
    if array.shape[3] > _MOST_CHANNELS:
        if array.shape[1] <= _MOST_CHANNELS:
            raise errors.UserError(
                f"{what} is {shape}, which looks like [N, C, H, W]: transpose to [N, H, W, C], "
                "or say --config.data.axes=NCHW"
            )
        raise errors.UserError(
            f"{what} is {shape}, with {shape[3]} channels: if that is meant, say --config.data.axes=NHWC "
            "(pictures show the first three channels); if not, transpose to [N, H, W, C]"
        )
    return array


def _by_letters(what: str, array: np.ndarray, letters: str, frames: str) -> np.ndarray:
    letters = letters.upper()
    wrong = set(letters) - set(LETTERS) or len(set(letters)) != len(letters) or not {"N", "H", "W"} <= set(letters)
    if wrong:
        raise errors.UserError(f"data.axes={letters} must be N, H, W and maybe C and T, once each, such as NCHW")
    if len(letters) != array.ndim or 0 in array.shape[1:]:
        raise errors.UserError(f"data.axes={letters} names {len(letters)} axes; {what} is {list(array.shape)}")
    for letter in ("C", "T"):
        if letter not in letters:
            array, letters = array[..., None], letters + letter
    array = array.transpose([letters.index(letter) for letter in LETTERS])  # [N, T, H, W, C]
    if frames == "first":
        return array[:, 0]
    return array.reshape(-1, *array.shape[2:])


def _square(shape: list[int]) -> str:
    """Return a suggestion for rows of pixels."""
    for channels in (1, 3):
        side = math.isqrt(shape[1] // channels)
        if side > 1 and side * side * channels == shape[1]:
            shown = f"{side}, {side}" + (", 3" if channels == 3 else "")
            return f"; reshape the rows of {shape[1]} pixels to [N, {shown}]"
    return "; reshape the rows of pixels"
