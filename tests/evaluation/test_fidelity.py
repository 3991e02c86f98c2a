"""Reconstruction measures against scikit-image, sharpness against scipy's Laplacian and known pictures."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage
from skimage import metrics

from vae_jax.evaluation import fidelity

RNG = np.random.default_rng(0)


def test_measures_are_scikit_images():
    x = RNG.uniform(size=(3, 16, 20, 3)).astype(np.float32)
    x[1] *= 0.1  # where it is dark, the constants count
    picture = np.clip(x + 0.1 * RNG.normal(size=x.shape), 0, 1).astype(np.float32)
    ours = fidelity.measures(jnp.asarray(picture), jnp.asarray(x))
    for index in range(3):
        pair = (x[index].astype(np.float64), picture[index].astype(np.float64))
        assert ours["mse"][index] == pytest.approx(metrics.mean_squared_error(*pair), rel=1e-5)
        assert ours["psnr"][index] == pytest.approx(metrics.peak_signal_noise_ratio(*pair, data_range=1.0), rel=1e-5)
        _, windows = metrics.structural_similarity(
            *pair,
            data_range=1.0,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        assert ours["ssim"][index] == pytest.approx(windows[5:-5, 5:-5].mean(), abs=1e-4)  # of whole windows alone


def test_a_perfect_reconstruction_is_one_hundred_decibels():
    x = jnp.asarray(RNG.uniform(size=(2, 12, 12, 1)), jnp.float32)
    ours = fidelity.measures(x, x)
    np.testing.assert_allclose(ours["psnr"], 100.0, rtol=1e-5)
    np.testing.assert_allclose(ours["ssim"], 1.0, atol=1e-6)
    np.testing.assert_array_equal(ours["sharpness"], ours["sharpness_of_images"])


def test_known_sharpness():
    ramp = np.broadcast_to(np.arange(9.0)[None, :, None] / 9, (9, 9, 1))
    board = (np.indices((9, 9)).sum(0) % 2).astype(float)[..., None]
    noise = RNG.uniform(size=(9, 9, 1))
    images = np.stack([np.full((9, 9, 1), 0.7), ramp, board, noise]).astype(np.float32)
    kernel = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    expected = ndimage.convolve(noise[..., 0], np.array(kernel))[1:-1, 1:-1].var()
    np.testing.assert_allclose(fidelity.sharpness(jnp.asarray(images)), [0, 0, 16, expected], atol=0.01)


def test_colour_counts_as_its_grey():
    grey = RNG.uniform(size=(2, 8, 8, 1)).astype(np.float32)
    colour = jnp.asarray(grey.repeat(3, axis=-1))
    np.testing.assert_allclose(fidelity.sharpness(colour), fidelity.sharpness(jnp.asarray(grey)), rtol=1e-4)
    assert fidelity.sharpness(jnp.zeros((2, 2, 2, 1))).tolist() == [0.0, 0.0]
