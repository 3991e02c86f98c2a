"""Paths from one code to another, along which images are interpolated."""

import numpy as np


def linear(start: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(1 - t) start + t end: [N, D] and [T] to [N, T, D]."""
    t = t[None, :, None]
    return (1.0 - t) * start[:, None] + t * end[:, None]


def spherical(start: np.ndarray, end: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(sin((1 - t) a) start + sin(t a) end) / sin(a), a the angle between them: [N, D] and [T] to [N, T, D].

    Keeps the length that latents of the prior have, which a straight line between two of them cuts short. The line
    itself where the arc is none or not unique: an end at 0, the same or opposite directions.

    Reference: White, 2016, arXiv 1609.04468.
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
