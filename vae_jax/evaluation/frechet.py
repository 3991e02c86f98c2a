"""How far apart two sets of images are, by features of them: the Fréchet distance, precision and recall.

The features come from `features` or `inception`; nothing here knows an image.
"""

from collections.abc import Iterator

import numpy as np

NEIGHBOURS = 5
CHUNK = 1024  # rows of the distance matrix held at once

Moments = tuple[np.ndarray, np.ndarray]


def moments(features: np.ndarray) -> Moments:
    """Return the mean [F] and the covariance [F, F] of features [N, F], in float64; the covariance divides by N - 1."""
    features = np.asarray(features, np.float64)
    return features.mean(axis=0), np.atleast_2d(np.cov(features, rowvar=False))


def frechet_distance(first: Moments, second: Moments) -> float:
    """Return |m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1^1/2 S2 S1^1/2)^1/2: two Gaussians' squared 2-Wasserstein distance.

    The roots are taken by eigenvalues of symmetric matrices, so that covariances of low rank need no regulariser. The
    distance is biased upwards by few images: compare distances of equal numbers of images, and with the distance
    between two real sets.

    References:
        Heusel et al., 2017, arXiv 1706.08500, equation 6.
    """
    (mean1, cov1), (mean2, cov2) = first, second
    values, vectors = np.linalg.eigh(cov1)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ cov2 @ root), 0.0)).sum()
    distance = np.square(mean1 - mean2).sum() + np.trace(cov1) + np.trace(cov2) - 2.0 * cross
    return float(max(distance, 0.0))


def precision_recall(real: np.ndarray, generated: np.ndarray, *, neighbours: int = NEIGHBOURS) -> dict[str, float]:
    """Return the share of generated images inside the real manifold, and of real images inside the generated one.

    A manifold is the union of balls around the features [N, F], each reaching to the k-th nearest other feature.

    Raises:
        ValueError: a set has no more than k images.

    References:
        Kynkäänniemi et al., 2019, arXiv 1904.06991, equations 1 and 2 (k = 3 there).
    """
    if min(len(real), len(generated)) <= neighbours:
        raise ValueError(f"balls to the {neighbours}th neighbour need more than {neighbours} images")
    real, generated = np.asarray(real, np.float64), np.asarray(generated, np.float64)
    return {
        "precision": _share_inside(generated, real, neighbours),
        "recall": _share_inside(real, generated, neighbours),
    }


def _share_inside(points: np.ndarray, centres: np.ndarray, neighbours: int) -> float:
    radii = np.concatenate(
        # The nearest is the centre itself, at distance 0.
        [np.partition(block, neighbours, axis=1)[:, neighbours] for block in _distances(centres, centres)]
    )
    inside = [(block <= radii[None]).any(axis=1) for block in _distances(points, centres)]
    return float(np.concatenate(inside).mean())


def _distances(first: np.ndarray, second: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the squared distances [CHUNK, M] of each chunk of `first` [N, F] to all of `second` [M, F]."""
    centre = second.mean(axis=0)  # nearer the origin, fewer digits are lost
    first, second = first - centre, second - centre
    norms = np.square(second).sum(1)
    for start in range(0, len(first), CHUNK):
        part = first[start : start + CHUNK]
        yield np.maximum(np.square(part).sum(1)[:, None] + norms[None] - 2.0 * part @ second.T, 0.0)
