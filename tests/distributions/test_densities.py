"""Pixel densities against scipy and quadrature in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from vae_jax.distributions.densities import continuous_bernoulli_mean
from vae_jax.losses import reconstruction

HALF_LOG_2PI = 0.9189385332


@pytest.fixture(scope="module")
def images():
    """Predictions [2 samples, 3 images, 4, 5, 2] and images in [0, 1], in float32."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, 3, 4, 5, 2)).astype(np.float32), rng.uniform(size=(3, 4, 5, 2)).astype(np.float32)


def pixel(value, size=1):
    return np.full((size, 1, 1, 1), value, np.float32)


def sum_pixels(values):
    return np.asarray(values, np.float64).sum((-3, -2, -1))


def scipy_gaussian(pred, x, sigma):
    return sum_pixels(-stats.norm.logpdf(x.astype(np.float64), pred, sigma))


REFERENCES = {
    "gaussian": (functools.partial(reconstruction.gaussian, sigma=0.3), lambda p, x: scipy_gaussian(p, x, 0.3)),
    "learned_sigma": (
        lambda p, x: reconstruction.learned_sigma({"mean": p, "log_sigma": jnp.float32(-0.7)}, x),
        lambda p, x: scipy_gaussian(p, x, np.exp(-6 + np.log1p(np.exp(5.3)))),
    ),
    "optimal_sigma": (
        reconstruction.optimal_sigma,
        lambda p, x: scipy_gaussian(p, x, np.sqrt(np.square(x - p.astype(np.float64)).mean())),
    ),
    "laplace": (
        functools.partial(reconstruction.laplace, scale=0.4),
        lambda p, x: sum_pixels(-stats.laplace.logpdf(x.astype(np.float64), p, 0.4)),
    ),
    "bernoulli": (
        reconstruction.bernoulli,
        lambda p, x: sum_pixels(np.logaddexp(0, p.astype(np.float64)) - x * p.astype(np.float64)),
    ),
    "continuous_bernoulli": (
        reconstruction.continuous_bernoulli,
        lambda p, x: sum_pixels(
            np.logaddexp(0, p.astype(np.float64)) - x * p - np.log(p / np.tanh(p.astype(np.float64) / 2))
        ),
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_values_are_scipys_with_and_without_jit_and_samples(name, images):
    function, reference = REFERENCES[name]
    pred, x = images
    np.testing.assert_allclose(function(pred, x), reference(pred, x), rtol=2e-6)
    np.testing.assert_allclose(jax.jit(function)(pred, x), reference(pred, x), rtol=2e-6)
    np.testing.assert_allclose(jax.jit(function)(pred[0], x), reference(pred[0], x), rtol=2e-6)
    grey_pred, grey = pred[..., :1], x[..., :1]  # rows of pixels inside
    np.testing.assert_allclose(jax.jit(function)(grey_pred, grey), reference(grey_pred, grey), rtol=2e-6)


@pytest.mark.parametrize("name", REFERENCES)
def test_extreme_predictions_have_finite_values_and_gradients(name):
    function, _ = REFERENCES[name]
    pred, x = (grid.reshape(9, 1, 1, 1).astype(np.float32) for grid in np.meshgrid([-500.0, 500.0, 0.0], [0, 1, 0.5]))
    nats, pull = jax.vjp(jax.jit(lambda pred: function(pred, x)), pred)
    assert np.isfinite(nats).all() and np.isfinite(pull(jnp.ones(9))[0]).all()


@pytest.mark.parametrize("name", REFERENCES)
def test_bfloat16_predictions_are_summed_in_float32(name):
    function, _ = REFERENCES[name]
    pred = jnp.linspace(-1.0, 1.0, 48, dtype=jnp.bfloat16).reshape(1, 4, 4, 3)
    x = jnp.full((1, 4, 4, 3), 0.3)
    nats = jax.jit(function)(pred, x)
    assert nats.dtype == jnp.float32
    np.testing.assert_allclose(nats, jax.jit(function)(pred.astype(jnp.float32), x), rtol=1e-6)


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("shape", [(2, 4, 4, 1), (1, 4, 4, 3), (2, 4, 4), (2, 48), (3, 2, 4, 4, 1)])
def test_one_channel_is_not_three(name, shape, without_shape_checks):
    function, _ = REFERENCES[name]
    with pytest.raises(ValueError) as error:
        function(np.zeros(shape, np.float32), np.zeros((2, 4, 4, 3), np.float32))
    assert str(shape) in str(error.value) and "(2, 4, 4, 3)" in str(error.value)


def test_gaussian_constants_are_kept():
    nats = functools.partial(reconstruction.gaussian, pixel(0.3), pixel(0.3))
    np.testing.assert_allclose(nats(sigma=1.0), HALF_LOG_2PI, rtol=1e-6)
    np.testing.assert_allclose(nats(sigma=0.1), -1.3836466, rtol=1e-6)
    face = jnp.zeros((1, 64, 64, 3))
    np.testing.assert_allclose(reconstruction.gaussian(face, face), 11291.917, rtol=1e-6)


def test_learned_sigma_is_clipped_softly():
    @jax.jit
    @jax.value_and_grad
    def log_sigma(raw, mean):
        tree = {"mean": mean, "log_sigma": raw}
        return reconstruction.learned_sigma(tree, pixel(0.0))[0] - HALF_LOG_2PI

    assert log_sigma(0.0, pixel(0.0))[0] == pytest.approx(0.0024757, abs=1e-6)
    assert log_sigma(-20.0, pixel(0.0))[0] == pytest.approx(-5.9999992, abs=1e-6)
    assert np.isfinite([log_sigma(raw, pixel(1.0)) for raw in (-500.0, 500.0)]).all()


def test_optimal_sigma_is_optimal_and_its_mean_the_closed_form(images):
    pred, x = images[0][0], images[1]
    function = jax.jit(reconstruction.optimal_sigma)
    nats = function(pred, x)
    mse, pixels = np.square(x - pred.astype(np.float64)).mean(), 40
    np.testing.assert_allclose(nats.mean(), pixels / 2 * (np.log(mse) + 1 + np.log(2 * np.pi)), rtol=1e-6)
    for sigma in np.sqrt(mse) * np.array([0.9, 1.1]):
        assert nats.mean() < jax.jit(reconstruction.gaussian)(pred, x, sigma=sigma).mean()
    value_and_grad = jax.jit(jax.value_and_grad(lambda p: reconstruction.optimal_sigma(p, x).mean()))
    np.testing.assert_allclose(value_and_grad(pred)[1], (pred - x) / mse / 3, rtol=1e-5)
    perfect, gradient = value_and_grad(x)
    np.testing.assert_allclose(perfect, pixels * (HALF_LOG_2PI - 6.0), rtol=1e-5)
    assert not gradient.any()


def test_bernoulli_known_answers():
    nats = lambda logit, x: float(reconstruction.bernoulli(pixel(logit), pixel(x))[0])  # noqa: E731
    assert nats(0.0, 0.3) == pytest.approx(0.6931472)
    assert nats(100.0, 0.0) == 100.0 and nats(100.0, 1.0) == 0.0
    logits = np.array([-500.0, 0.0, 500.0], np.float32).reshape(3, 1, 1, 1)
    gradient = jax.jit(jax.grad(lambda p: reconstruction.bernoulli(p, pixel(0.25, 3)).sum()))(logits)
    np.testing.assert_allclose(gradient.ravel(), [-0.25, 0.25, 0.75])


CONTINUOUS, CONTINUOUS_MEAN = jax.jit(reconstruction.continuous_bernoulli), jax.jit(continuous_bernoulli_mean)


def test_the_mean_of_a_continuous_bernoulli_has_a_gradient_at_zero():
    gradient = jax.jit(jax.vmap(jax.grad(continuous_bernoulli_mean)))(np.float32([0.0, -0.1, 0.3]))
    low, high = (continuous_bernoulli_mean(np.float32([0.0, -0.1, 0.3]) + step) for step in (-0.05, 0.05))
    np.testing.assert_allclose(gradient, (high - low) / 0.1, rtol=2e-3)


@pytest.mark.parametrize("logit", [-30.0, -2.0, -0.21, -0.19, 0.0, 1e-3, 0.19, 0.21, 3.0])
def test_continuous_bernoulli_is_a_density_with_its_mean(logit):
    x, weights = np.polynomial.legendre.leggauss(80)
    x, weights = (x + 1) / 2, weights / 2
    grid = x.astype(np.float32).reshape(-1, 1, 1, 1)
    density = np.exp(-np.asarray(CONTINUOUS(pixel(logit, 80), grid), np.float64))
    assert density @ weights == pytest.approx(1.0, abs=2e-6)
    total = integrate.quad(lambda t: np.exp(logit * t), 0, 1)[0]
    mean = integrate.quad(lambda t: t * np.exp(logit * t), 0, 1)[0] / total
    np.testing.assert_allclose(CONTINUOUS_MEAN(logit), mean, rtol=1e-6, atol=3e-7)


def test_continuous_bernoulli_known_answers():
    nats = lambda logit, x: float(CONTINUOUS(pixel(logit), pixel(x))[0])  # noqa: E731
    assert nats(0.0, 0.7) == pytest.approx(0.0, abs=1e-7)
    assert nats(2.0, 1.0) == pytest.approx(-0.8385606, abs=1e-6)
    assert nats(2.0, 0.0) == pytest.approx(1.1614394, abs=1e-6)
    assert float(CONTINUOUS_MEAN(2.0)) == pytest.approx(0.6565176, abs=1e-6)
    # The gradient is the mean less x, on both sides of the switch to the series.
    logits = np.array([-500.0, -0.201, -0.199, 0.0, 0.199, 0.201, 500.0], np.float32).reshape(7, 1, 1, 1)
    gradient = jax.jit(jax.grad(lambda p: reconstruction.continuous_bernoulli(p, pixel(0.0, 7)).sum()))
    np.testing.assert_allclose(gradient(logits), CONTINUOUS_MEAN(logits), rtol=1e-5)


def test_laplace_known_answer():
    assert float(reconstruction.laplace(pixel(0.25), pixel(0.0), scale=0.5)[0]) == pytest.approx(0.5)
