"""The nearest of many images, by Euclidean distance of the pixels: a check on memorising."""

from typing import NamedTuple

import numpy as np

CHUNK = 4096  # images compared at a time


class Nearest(NamedTuple):
    index: np.ndarray  # [N], of the nearest image
    distance: np.ndarray  # [N], root mean squared difference of a pixel, in levels of 0..255


def nearest(images: np.ndarray, among: np.ndarray) -> Nearest:
    """Return, for each of images [N, H, W, C], the nearest of `among` [M, H, W, C]; both uint8, `among` on disk or not.

    The nearest is found in float32, |a|^2 - 2ab + |b|^2 about the grey of 128, and its distance taken anew in float64.
    """
    flat = images.reshape(len(images), -1).astype(np.float32) - 128.0
    best, index = np.full(len(images), np.inf, np.float32), np.zeros(len(images), int)
    for start in range(0, len(among), CHUNK):
        part = np.asarray(among[start : start + CHUNK])
        others = part.reshape(len(part), -1).astype(np.float32) - 128.0
        squared = np.square(others).sum(1)[None] - 2.0 * (flat @ others.T)  # |a|^2 is the same for all
        closest = squared.argmin(1)
        value = squared[np.arange(len(images)), closest]
        index = np.where(value < best, start + closest, index)
        best = np.minimum(value, best)
    difference = images.astype(np.float64) - np.stack([among[i] for i in index])
    return Nearest(index, np.sqrt(np.square(difference).mean((1, 2, 3))))
