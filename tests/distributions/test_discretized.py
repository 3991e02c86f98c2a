"""Discretised logistics against scipy's distribution function in float64, and against their sum over grey levels."""

import functools

import jax
import numpy as np
import pytest
from scipy import special

from vae_jax.distributions import discretized
from vae_jax.losses import reconstruction

LOGISTIC = jax.jit(reconstruction.discretized_logistic)
MIXTURE = jax.jit(reconstruction.discretized_logistic_mixture)
LEVELS = (2 * np.arange(256) / 255 - 1).astype(np.float32)


def every_level(mean, log_scale):
    """log-probabilities of the 256 levels, [256]."""
    shape = (256, 1, 1, 1)
    pred = {"mean": np.full(shape, mean, np.float32), "log_scale": np.full(shape, log_scale, np.float32)}
    return -np.asarray(LOGISTIC(pred, LEVELS.reshape(shape)), np.float64)


@pytest.mark.parametrize("log_scale", [-9.0, -7.0, -3.0, 0.0, 2.0, 30.0])
def test_the_256_levels_sum_to_one(log_scale):
    assert np.exp(every_level(0.2, log_scale)).sum() == pytest.approx(1.0, abs=2e-6)


def test_known_answers():
    logp = every_level(0.2, -1.0)
    np.testing.assert_allclose(logp[[0, 128, 255]], [-3.2892720, -5.3046145, -2.2727022], rtol=1e-6)
    np.testing.assert_allclose(every_level(LEVELS[128], -7.0)[128], -0.0271246, rtol=1e-4)


@pytest.mark.parametrize("log_scale", [-4.0, 0.5])
def test_masses_are_differences_of_the_distribution_function(log_scale):
    upper = special.expit((LEVELS.astype(np.float64) - 0.2 + 1 / 255) / np.exp(log_scale))
    lower = special.expit((LEVELS.astype(np.float64) - 0.2 - 1 / 255) / np.exp(log_scale))
    upper[-1], lower[0] = 1.0, 0.0
    inside = upper - lower > 1e-12
    np.testing.assert_allclose(every_level(0.2, log_scale)[inside], np.log((upper - lower)[inside]), rtol=3e-5)


def test_extremes_have_finite_values_and_gradients():
    grid = np.meshgrid([-500.0, 0.0, 500.0], [-500.0, -30.0, -7.0, 30.0, 500.0], LEVELS[[0, 100, 255]])
    mean, log_scale, x = (values.reshape(-1, 1, 1, 1).astype(np.float32) for values in grid)
    nats, pull = jax.vjp(lambda pred: LOGISTIC(pred, x), {"mean": mean, "log_scale": log_scale})
    (gradient,) = pull(np.ones(45, np.float32))
    assert np.isfinite(nats).all() and all(np.isfinite(leaf).all() for leaf in gradient.values())


@functools.cache
def mixture(channels, components, batch=2):
    shape = (batch, 3, 3, discretized.mixture_channels(channels, components))
    raw = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    return jax.tree.map(np.asarray, jax.jit(lambda raw: discretized.split_mixture(raw, components))(raw))


def test_a_mixture_asks_for_ten_numbers_a_component_of_rgb():
    assert reconstruction.LIKELIHOODS["discretized_logistic_mixture"].channels(3) == 100  # of ten components
    assert discretized.mixture_channels(3, 10) == 100 and discretized.mixture_channels(1, 10) == 30
    pred = mixture(3, 4)
    assert pred["logits"].shape == (2, 3, 3, 4) and pred["mean"].shape == pred["log_scale"].shape == (2, 3, 3, 4, 3)
    assert pred["coupling"].shape == (2, 3, 3, 4, 3) and mixture(1, 4)["coupling"].shape == (2, 3, 3, 4, 0)


def test_a_mixture_of_one_kind_is_the_single_logistic():
    shape = (2, 3, 3, 4, 3)
    mean = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 3, 3, 1, 3)).astype(np.float32)
    pred = {
        "logits": np.zeros(shape[:-1], np.float32),
        "mean": np.broadcast_to(mean, shape),
        "log_scale": np.full(shape, -2.0, np.float32),
        "coupling": np.zeros(shape, np.float32),
    }
    x = np.random.default_rng(1).choice(LEVELS, (2, 3, 3, 3))
    single = LOGISTIC({"mean": mean[..., 0, :], "log_scale": np.float32(-2.0)}, x)
    np.testing.assert_allclose(MIXTURE(pred, x), single, rtol=1e-5)


def test_a_grey_mixture_sums_to_one_over_the_levels():
    pred = jax.tree.map(lambda leaf: np.repeat(leaf[:1, :1, :1], 256, axis=0), mixture(1, 4))
    nats = MIXTURE(pred, LEVELS.reshape(256, 1, 1, 1))
    assert np.exp(-np.asarray(nats, np.float64)).sum() == pytest.approx(1.0, abs=2e-6)


def test_an_rgb_mixture_is_the_numpy_loop_over_pixels():
    pred = mixture(3, 4)
    x = np.random.default_rng(1).choice(LEVELS, (2, 3, 3, 3))
    tree = {name: np.asarray(leaf, np.float64) for name, leaf in pred.items()}
    expected = np.zeros(2)
    for b, h, w in np.ndindex(2, 3, 3):
        pi = special.softmax(tree["logits"][b, h, w])
        red, green, _ = x[b, h, w].astype(np.float64)
        likelihood = 0.0
        for m in range(4):
            c0, c1, c2 = tree["coupling"][b, h, w, m]
            mean = tree["mean"][b, h, w, m] + np.array([0.0, c0 * red, c1 * red + c2 * green])
            scale = np.exp(tree["log_scale"][b, h, w, m])
            upper = np.where(x[b, h, w] > 0.999, 1.0, special.expit((x[b, h, w] - mean + 1 / 255) / scale))
            lower = np.where(x[b, h, w] < -0.999, 0.0, special.expit((x[b, h, w] - mean - 1 / 255) / scale))
            likelihood += pi[m] * np.prod(upper - lower)
        expected[b] -= np.log(likelihood)
    np.testing.assert_allclose(MIXTURE(pred, x), expected, rtol=1e-5)
    samples = jax.tree.map(lambda leaf: np.stack([2 * leaf, leaf]), pred)
    np.testing.assert_allclose(MIXTURE(samples, x)[1], expected, rtol=1e-5)


def test_extreme_mixtures_have_finite_values_and_gradients():
    raw = 500.0 * np.random.default_rng(0).choice([-1.0, 1.0], (100, 1, 1, 20)).astype(np.float32)
    x = np.random.default_rng(1).choice(LEVELS[[0, 100, 255]], (100, 1, 1, 3))
    function = jax.jit(lambda raw: reconstruction.discretized_logistic_mixture(discretized.split_mixture(raw, 2), x))
    nats, pull = jax.vjp(function, raw)
    assert np.isfinite(nats).all() and np.isfinite(pull(np.ones(100, np.float32))[0]).all()


def test_the_picture_of_a_mixture_is_the_mean_of_its_samples():
    pred = jax.tree.map(lambda leaf: leaf[:1, :1, :1], mixture(3, 4))
    pred = {**pred, "log_scale": np.full_like(pred["log_scale"], -6.0), "mean": 0.2 * pred["mean"]}
    tree = {name: np.asarray(leaf, np.float64)[0, 0, 0] for name, leaf in pred.items()}
    rng = np.random.default_rng(0)
    component = rng.choice(4, size=100_000, p=special.softmax(tree["logits"]))
    noise = np.exp(-6.0) * rng.logistic(size=(100_000, 3))
    (c0, c1, c2), mean = tree["coupling"][component].T, tree["mean"][component]
    red = mean[:, 0] + noise[:, 0]
    green = mean[:, 1] + c0 * red + noise[:, 1]
    blue = mean[:, 2] + c1 * red + c2 * green + noise[:, 2]
    picture = jax.jit(discretized.mixture_mean)(pred)
    assert picture.shape == (1, 1, 1, 3)
    np.testing.assert_allclose(picture[0, 0, 0], [red.mean(), green.mean(), blue.mean()], atol=5e-3)


def test_coefficients_are_bounded_and_pictures_stay_in_range():
    raw = np.full((1, 1, 1, 2 * 10), 3.0, np.float32)  # two components for RGB
    tree = discretized.split_mixture(raw, 2)
    np.testing.assert_allclose(tree["coupling"], np.full((1, 1, 1, 2, 3), np.tanh(3.0)), rtol=1e-6)
    tree = {
        "logits": np.zeros((1, 1, 1, 2), np.float32),
        "mean": np.float32([[3.0, -0.5, 0.0], [-0.5, -0.5, 0.0]]).reshape(1, 1, 1, 2, 3),
        "coupling": np.zeros((1, 1, 1, 2, 3), np.float32),
    }
    # A component beyond the range counts as its end, before the average is taken.
    np.testing.assert_allclose(discretized.mixture_mean(tree).ravel(), [0.25, -0.5, 0.0], atol=1e-6)


@pytest.mark.parametrize("shape", [(2, 3, 3, 1), (1, 3, 3, 3), (3, 3, 3)])
def test_wrong_shapes_are_refused(shape, without_shape_checks):
    with pytest.raises(ValueError, match="fit"):
        reconstruction.discretized_logistic_mixture(mixture(3, 4), np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match="shape"):
        pred = {"mean": np.zeros((2, 3, 3, 3), np.float32), "log_scale": 0.0}
        reconstruction.discretized_logistic(pred, np.zeros(shape, np.float32))
