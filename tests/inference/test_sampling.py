"""Paths between latents and traversals, against their geometry."""

import numpy as np
import pytest
from scipy import stats

from vae_jax import models
from vae_jax.inference import paths, sampling

T = np.linspace(0.0, 1.0, 5)


def test_an_arc_between_unit_vectors_stays_on_the_sphere_at_a_constant_speed():
    rng = np.random.default_rng(0)
    ends = rng.normal(size=(2, 6, 4))
    start, end = ends / np.linalg.norm(ends, axis=-1, keepdims=True)
    arc = paths.spherical(start, end, T)
    np.testing.assert_allclose(np.linalg.norm(arc, axis=-1), 1.0, rtol=1e-12)
    whole = np.arccos((start * end).sum(-1))
    np.testing.assert_allclose(np.arccos((start[:, None] * arc).sum(-1).clip(-1, 1)), whole[:, None] * T, atol=1e-7)


def test_an_arc_begins_and_ends_at_its_ends_whatever_their_lengths():
    start, end = np.array([[3.0, 0.0], [0.0, 0.1]]), np.array([[0.0, 1.0], [-5.0, 2.0]])
    arc = paths.spherical(start, end, T)
    np.testing.assert_allclose(arc[:, 0], start, atol=1e-12)
    np.testing.assert_allclose(arc[:, -1], end, atol=1e-12)
    np.testing.assert_allclose(arc[0, 2], np.array([3.0, 1.0]) * np.sqrt(0.5), rtol=1e-12)


def test_where_there_is_no_one_arc_the_line_is_taken():
    start = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [1.0, 2.0]])
    end = np.array([[2.0, 4.0], [-1.0, -2.0], [1.0, 2.0], [1.0, 2.0]])
    np.testing.assert_allclose(paths.spherical(start, end, T), paths.linear(start, end, T), rtol=1e-12)


def test_a_traversal_changes_the_one_latent_alone(monkeypatch):
    monkeypatch.setattr(sampling, "decode", lambda model, variables, z: z.reshape(len(z), 1, 1, -1))
    values = np.array([[7.0, 8.0, 9.0], [4.0, 5.0, 6.0]])
    rows = sampling.traverse(models.VAE((1, 1, 4), 4), {}, np.array([0.0, 1.0, 2.0, 3.0]), np.array([2, 0]), values)
    assert rows.shape == (2, 3, 1, 1, 4)
    np.testing.assert_array_equal(rows[0, :, 0, 0], [[0, 1, 7, 3], [0, 1, 8, 3], [0, 1, 9, 3]])
    np.testing.assert_array_equal(rows[1, :, 0, 0], [[4, 1, 2, 3], [5, 1, 2, 3], [6, 1, 2, 3]])


def test_a_map_is_at_the_quantiles_the_first_latent_to_the_right_and_the_second_up(monkeypatch):
    monkeypatch.setattr(sampling, "decode", lambda model, variables, z: z.reshape(len(z), 1, 1, -1))
    plane = sampling.latent_map(models.VAE((1, 1, 2), 2), {}, 5)[:, :, 0, 0]
    quantiles = stats.norm.ppf([0.1, 0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(plane[..., 0], np.tile(quantiles, (5, 1)), atol=1e-9)
    np.testing.assert_allclose(plane[..., 1], np.tile(quantiles[::-1, None], (1, 5)), atol=1e-9)
    with pytest.raises(ValueError, match="not 3"):
        sampling.latent_map(models.VAE((1, 1, 2), 3), {})
