"""The nearest of many images by the Euclidean distance of their pixels: a check on whether a model memorises."""

from typing import NamedTuple

import numpy as np

CHUNK = 4096  # images compared at a time


class Nearest(NamedTuple):
    """The nearest image of each of N images.

    Attributes:
        index: the number of the nearest image, [N].
        distance: root mean squared difference of a pixel value, in grey levels of 0 to 255, [N].
    """

    index: np.ndarray
    distance: np.ndarray


def nearest(images: np.ndarray, among: np.ndarray) -> Nearest:
    """Return the nearest of many images for each image.

    The search is in float32, by |a|^2 - 2ab + |b|^2 with the grey of 128 subtracted; the distance to the nearest image
    is then computed in float64.

    Args:
        images: uint8 [N, H, W, C].
        among: uint8 [M, H, W, C], in memory or on disk.
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
