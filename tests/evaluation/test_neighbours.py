"""Against all distances in float64."""

import numpy as np

from vae_jax.evaluation import neighbours


def test_the_nearest_of_all_is_found_across_chunks(monkeypatch):
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    rng = np.random.default_rng(0)
    among = rng.integers(0, 256, (40, 4, 3, 2)).astype(np.uint8)
    images = rng.integers(0, 256, (9, 4, 3, 2)).astype(np.uint8)
    images[3] = among[38]
    found = neighbours.nearest(images, among)
    rms = np.sqrt(np.square(images[:, None].astype(float) - among[None]).mean((2, 3, 4)))
    np.testing.assert_array_equal(found.index, rms.argmin(1))
    np.testing.assert_allclose(found.distance, rms.min(1), rtol=1e-12)
    assert found.index[3] == 38 and found.distance[3] == 0


def test_one_level_apart_is_told_from_the_same_at_the_size_of_a_photograph():
    photograph = np.full((1, 64, 64, 3), 250, np.uint8)
    among = np.concatenate([photograph - 1, photograph, photograph - 2])
    found = neighbours.nearest(photograph, among)
    assert found.index[0] == 1 and found.distance[0] == 0
