"""Fréchet distance between Gaussians, precision and recall of sets, where the answer is known."""

import numpy as np
import pytest
from scipy import linalg

from vae_jax.evaluation import frechet

RNG = np.random.default_rng(0)


def test_known_distances():
    standard = np.zeros(4), np.eye(4)
    assert frechet.frechet_distance(standard, standard) == pytest.approx(0.0, abs=1e-10)
    assert frechet.frechet_distance(standard, (np.ones(4), 4 * np.eye(4))) == pytest.approx(8.0)
    first = np.zeros(2), np.array([[2, 0.5], [0.5, 1]])
    second = np.array([1.0, 0.0]), np.array([[1, -0.3], [-0.3, 1.5]])
    assert frechet.frechet_distance(first, second) == pytest.approx(1.4634712, abs=1e-6)


def test_moments_are_unbiased():
    features = RNG.normal(size=(4, 3)).astype(np.float32)
    mean, covariance = frechet.moments(features)
    centred = features.astype(np.float64) - features.astype(np.float64).mean(0)
    np.testing.assert_allclose(mean, features.mean(0), rtol=1e-5)
    np.testing.assert_allclose(covariance, centred.T @ centred / 3, rtol=1e-10)


def test_it_is_the_formula_by_scipys_matrix_root():
    a, b = RNG.normal(size=(2, 500, 6)) @ RNG.normal(size=(2, 6, 6)) + RNG.normal(size=(2, 1, 6))
    (m1, s1), (m2, s2) = frechet.moments(a), frechet.moments(b)
    expected = np.square(m1 - m2).sum() + np.trace(s1 + s2 - 2 * linalg.sqrtm(s1 @ s2).real)
    assert frechet.frechet_distance((m1, s1), (m2, s2)) == pytest.approx(expected, rel=1e-6)
    assert frechet.frechet_distance((m2, s2), (m1, s1)) == pytest.approx(expected, rel=1e-6)


def test_fewer_images_than_features_do_no_harm():
    few, others = RNG.normal(size=(2, 5, 20))
    distance = frechet.frechet_distance(frechet.moments(few), frechet.moments(others))
    assert np.isfinite(distance) and distance > 0
    assert frechet.frechet_distance(frechet.moments(few), frechet.moments(few)) == pytest.approx(0.0, abs=1e-6)


def test_identical_sets_have_all_and_disjoint_ones_nothing(monkeypatch):
    real = RNG.normal(size=(60, 8))
    monkeypatch.setattr(frechet, "CHUNK", 7)
    assert frechet.precision_recall(real, real) == {"precision": 1.0, "recall": 1.0}
    assert frechet.precision_recall(real, real + 1000.0) == {"precision": 0.0, "recall": 0.0}


def test_precision_and_recall_are_not_the_same_thing():
    """Half of the modes, made well: all of it is real, half of the real is missed. And the other way round."""
    first, second, again = RNG.normal(size=(3, 200, 2))
    real, half = np.concatenate([first, second + 100.0]), again
    share = frechet.precision_recall(real, half)
    assert share["precision"] > 0.95 and 0.4 < share["recall"] < 0.55
    assert frechet.precision_recall(half, real) == {"precision": share["recall"], "recall": share["precision"]}


def test_radii_are_to_the_kth_other_point():
    line = np.array([[0.0], [1.0], [3.0], [7.0]])  # radii to the first neighbour 1, 1, 2, 4
    points = np.array([[-0.9], [-1.1], [5.0], [11.5]])
    assert frechet.precision_recall(line, points, neighbours=1)["precision"] == 0.5
    with pytest.raises(ValueError, match="more than 4 images"):
        frechet.precision_recall(line, points, neighbours=4)
