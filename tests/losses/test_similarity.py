"""Similarities against scikit-image, a numpy convolution, and known answers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from vae_jax.losses import reconstruction, similarity

SSIM = jax.jit(reconstruction.ssim, static_argnames="data_range")
MS_SSIM = jax.jit(reconstruction.ms_ssim, static_argnames="data_range")


def index(function, pred, x, **kwargs):
    """The similarity itself of images [B, H, W, C]."""
    return 1.0 - np.asarray(function(pred, x, **kwargs), np.float64) / np.prod(x.shape[1:])


def smooth_images(side, channels, seed, size=2):
    noise = np.random.default_rng(seed).uniform(size=(size, side, side, channels))
    blurred = signal.convolve(noise, np.ones((1, 3, 3, 1)) / 9, mode="same")
    return blurred.astype(np.float32)


def checkerboard(side=16):
    return (np.indices((side, side)).sum(0) % 2).astype(np.float32).reshape(1, side, side, 1)


@pytest.mark.parametrize(("side", "channels"), [(28, 1), (32, 3)])
def test_ssim_is_scikit_images(side, channels):
    metrics = pytest.importorskip("skimage.metrics")
    x, pred = smooth_images(side, channels, 0), smooth_images(side, channels, 1)
    pred = 0.6 * x + 0.4 * pred
    settings = {"data_range": 1.0, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    expected = [
        metrics.structural_similarity(np.float64(a), np.float64(b), channel_axis=-1, **settings)
        for a, b in zip(pred, x, strict=True)
    ]
    np.testing.assert_allclose(index(SSIM, pred, x), expected, rtol=1e-5)
    np.testing.assert_allclose(index(SSIM, 2 * pred - 1, 2 * x - 1, data_range=(-1.0, 1.0)), expected, rtol=1e-5)


def numpy_terms(pred, x, taps):
    """SSIM and its contrast factor of two greyscale images, by scipy's two-dimensional convolution."""
    window = np.exp(-0.5 * np.square((np.arange(taps) - taps // 2) / 1.5))
    window = np.outer(window, window) / window.sum() ** 2
    blur = functools.partial(signal.convolve2d, in2=window, mode="valid")
    a, b = blur(pred), blur(x)
    variances, covariance = blur(pred**2) - a**2 + blur(x**2) - b**2, blur(pred * x) - a * b
    contrast = (2 * covariance + 0.03**2) / (variances + 0.03**2)
    return (contrast * (2 * a * b + 1e-4) / (a**2 + b**2 + 1e-4)).mean(), contrast.mean()


def test_ssim_of_nearly_flat_images_keeps_its_digits():
    """Variances of 1e-6 beside squares of 0.9 are lost in float32, unless they are taken about the images' own grey."""
    x, pred = (0.95 + 1e-3 * smooth_images(28, 1, seed) for seed in (0, 1))
    expected, _ = numpy_terms(np.float64(pred[0, :, :, 0]), np.float64(x[0, :, :, 0]), 11)
    assert index(SSIM, pred[:1], x[:1])[0] == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize(("side", "levels", "taps"), [(8, 1, 7), (28, 2, 11), (45, 3, 11), (64, 3, 11)])
def test_ms_ssim_takes_the_levels_that_fit(side, levels, taps):
    x, noise = smooth_images(side, 1, 0), smooth_images(side, 1, 1)
    pred = 0.8 * x + 0.2 * noise
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])[:levels]
    a, b, expected = np.float64(pred[0, ..., 0]), np.float64(x[0, ..., 0]), 1.0
    for level, weight in enumerate(weights / weights.sum()):
        whole, contrast = numpy_terms(a, b, taps)
        expected *= (whole if level == levels - 1 else contrast) ** weight
        half = a.shape[0] // 2
        a, b = (t[: 2 * half, : 2 * half].reshape(half, 2, half, 2).mean((1, 3)) for t in (a, b))
    np.testing.assert_allclose(index(MS_SSIM, pred, x)[0], expected, rtol=5e-5)
    if levels == 1:
        np.testing.assert_allclose(index(SSIM, pred, x)[0], expected, rtol=5e-5)


def test_known_answers_of_ssim():
    value = lambda a, b: index(SSIM, np.full((1, 16, 16, 1), a, np.float32), np.full((1, 16, 16, 1), b, np.float32))  # noqa: E731
    board = checkerboard()
    assert value(0.0, 1.0) == pytest.approx(9.9990e-5, abs=1e-6)
    assert value(0.5, 0.6) == pytest.approx(0.9836092, abs=1e-5)
    assert index(SSIM, board, 1 - board) == pytest.approx(-0.9964065, abs=1e-5)
    taps = similarity._band(16, 16)[0]
    assert taps[5] == pytest.approx(0.2660117) and taps[0] == pytest.approx(0.0010284, abs=1e-7)
    assert taps.sum() == pytest.approx(1.0) and not taps[11:].any()


@pytest.mark.parametrize("function", [SSIM, MS_SSIM])
def test_a_picture_is_like_itself_and_less_so_under_noise(function):
    x, noise = smooth_images(32, 3, 0), smooth_images(32, 3, 1)
    values = [index(function, (1 - t) * x + t * noise, x).mean() for t in (0.0, 0.1, 0.3, 0.6)]
    assert values[0] == pytest.approx(1.0, abs=1e-6)
    assert values[0] > values[1] > values[2] > values[3]


def test_scale_prices_every_pixel_value_and_samples_lead():
    x, pred = smooth_images(16, 1, 0), smooth_images(16, 1, 1)
    one = SSIM(pred, x)
    np.testing.assert_allclose(SSIM(np.stack([x, pred]), x, scale=3.0)[1], 3.0 * one, rtol=1e-6)
    assert one.shape == (2,) and MS_SSIM(np.stack([x, pred, x]), x).shape == (3, 2)


@pytest.mark.parametrize("function", [SSIM, MS_SSIM])
def test_anticorrelated_and_extreme_pictures_have_finite_gradients(function):
    x = np.repeat(np.repeat(checkerboard(), 2, 1), 2, 2)  # levels of both functions see structure
    pred = np.concatenate([1 - x, x, np.zeros_like(x), np.full_like(x, 500.0), np.full_like(x, -500.0)])
    nats, pull = jax.vjp(lambda pred: function(pred, np.repeat(x, 5, 0)), pred)
    assert np.isfinite(nats).all() and np.isfinite(pull(np.ones(5, np.float32))[0]).all()


def test_log_cosh_is_itself():
    t = np.array([0.0, 1.0, 0.01, -2.0, 500.0, -500.0], np.float32).reshape(6, 1, 1, 1)
    function = jax.jit(reconstruction.log_cosh)
    nats, pull = jax.vjp(lambda pred: function(pred, np.zeros_like(t)), t)
    np.testing.assert_allclose(nats[:3], [0.0, 0.9306853, 4.9916888e-4], rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(nats[3:], [2.0 - np.log(2) / 10, *[500 - np.log(2) / 10] * 2], rtol=1e-6)
    np.testing.assert_allclose(pull(np.ones(6, np.float32))[0], np.tanh(10 * t), rtol=1e-5, atol=1e-6)
    steep, pull = jax.vjp(lambda pred: function(pred, np.zeros_like(t), alpha=100.0), t)
    np.testing.assert_allclose(steep[3], 2.0 - np.log(2) / 100, rtol=1e-6)
    assert np.isfinite(pull(np.ones(6, np.float32))[0]).all()


def test_features_of_the_image_itself_are_the_unit_gaussian():
    x, pred = smooth_images(8, 3, 0), np.stack([smooth_images(8, 3, 1), smooth_images(8, 3, 2)])
    function = jax.jit(functools.partial(reconstruction.features, extract=lambda images: images))
    constant = 0.5 * np.log(2 * np.pi) * 8 * 8 * 3
    np.testing.assert_allclose(function(pred, x) + constant, reconstruction.gaussian(pred, x), rtol=1e-5)
    layers = functools.partial(reconstruction.features, extract=lambda images: {"a": images, "b": [2.0 * images]})
    np.testing.assert_allclose(jax.jit(layers)(pred, x, scale=0.5), 2.5 * function(pred, x), rtol=1e-5)
    gradient = jax.jit(jax.grad(lambda x: function(pred, x).sum()))(x)
    assert not gradient.any()


@pytest.mark.parametrize("name", ["ssim", "ms_ssim", "log_cosh", "features"])
@pytest.mark.parametrize("shape", [(2, 16, 16, 1), (1, 16, 16, 3), (16, 16, 3)])
def test_wrong_shapes_are_refused(name, shape, without_shape_checks):
    function = getattr(reconstruction, name)
    function = functools.partial(function, extract=jnp.sin) if name == "features" else function
    with pytest.raises(ValueError, match="shape"):
        function(np.zeros(shape, np.float32), np.zeros((2, 16, 16, 3), np.float32))
