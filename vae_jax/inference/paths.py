"""Paths from one code to another, for `sampling.interpolate` and the mode `interpolate`."""

import numpy as np


def linear(start: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the points (1 - t) start + t end of the straight lines between pairs of codes.

    Args:
        start: codes, [N, D].
        end: codes, [N, D].
        t: positions on the path, in [0, 1], [T].

    Returns:
        [N, T, D].
    """
    t = t[None, :, None]
    return (1.0 - t) * start[:, None] + t * end[:, None]


def spherical(start: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the points (sin((1 - t) a) start + sin(t a) end) / sin(a) of the arcs between pairs of codes.

    Here a is the angle between the two codes. The points of an arc have the usual length of samples of the prior; the
    points of a straight line are shorter. If an end is 0, or if the two directions are the same or opposite, the arc is
    not unique, and the points are those of the straight line.

    Args:
        start: codes, [N, D].
        end: codes, [N, D].
        t: positions on the path, in [0, 1], [T].

    Returns:
        [N, T, D].

    References:
        White, 2016, arXiv 1609.04468.
    """
    start, end = start.astype(np.float64), end.astype(np.float64)
    lengths = np.linalg.norm(start, axis=1) * np.linalg.norm(end, axis=1)
    cosine = (start * end).sum(1) / np.where(lengths > 0, lengths, 1.0)
    angle = np.arccos(np.clip(cosine, -1.0, 1.0))
    on_a_line = (np.sin(angle) < 1e-4) | (lengths == 0)
    angle = np.where(on_a_line, 1.0, angle)[:, None, None]
    t_ = t[None, :, None]
    arc = (np.sin((1.0 - t_) * angle) * start[:, None] + np.sin(t_ * angle) * end[:, None]) / np.sin(angle)
    return np.where(on_a_line[:, None, None], linear(start, end, t), arc)


PATHS = {"linear": linear, "spherical": spherical}
