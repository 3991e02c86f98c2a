"""What is kept of made colours is told axis by axis."""

import numpy as np

from benchmarks import hue


def test_grey_reconstructions_keep_brightness_alone():
    rng = np.random.default_rng(0)
    brightness, tint = rng.uniform(60, 180, (200, 1)), 10 * rng.choice([-1, 1], (200, 1))
    axes = np.array([[1, 1, 1], [1, -1, 0]])
    colours = brightness * axes[0] + tint * axes[1] + rng.normal(0, 1, (200, 3))
    originals = np.broadcast_to(colours[:, None, None, :], (200, 2, 2, 3))
    grey = np.broadcast_to(originals.mean(-1, keepdims=True), originals.shape)
    share, deviation = hue.explained(originals, grey)
    np.testing.assert_allclose(share[:2], [1.0, 0.0], atol=0.02)
    np.testing.assert_allclose(deviation[:2] * 255, [brightness.std() * 3**0.5, 10 * 2**0.5], rtol=0.03)
    np.testing.assert_allclose(hue.explained(originals, originals)[0], 1.0)
