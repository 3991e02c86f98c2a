"""Densities against scipy in float64, the KL against closed values and Monte Carlo."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vae_jax import distributions
from vae_jax.distributions import Delta, Gaussian, MultivariateGaussian


def gaussian(mean, logvar):
    return Gaussian(np.full((1, 1), mean, np.float32), np.full((1, 1), logvar, np.float32))


SAMPLE = jax.jit(Gaussian.sample, static_argnames="num_samples")
KL, LOG_DENSITY = jax.jit(distributions.kl_divergence), jax.jit(Gaussian.log_density)
LOG_PROB = jax.jit(Gaussian.log_prob)
STANDARD = distributions.standard_normal(np.zeros(1, np.float32))


@pytest.fixture
def posterior():
    rng = np.random.default_rng(0)
    return Gaussian(*rng.normal(size=(2, 3, 2)).astype(np.float32))


@pytest.mark.parametrize(
    ("mean", "logvar", "expected"),
    [(1.0, 0.0, 0.5), (0.0, 1.0, 0.3591409), (0.0, -1.0, 0.1839397), (1.0, -2.0, 1.0676676), (0.0, 1e-4, 2.5000833e-9)],
)
def test_kl_to_the_standard_normal_is_the_closed_form(mean, logvar, expected):
    np.testing.assert_allclose(
        KL(gaussian(mean, logvar), STANDARD), [[expected]], rtol=2e-3 if logvar == 1e-4 else 1e-6
    )


@pytest.mark.parametrize(
    ("q", "p", "expected"),
    [
        ((0.0, 0.0), (0.0, 1.0), 0.1839397),
        ((0.0, float(np.log(4.0))), (0.0, 0.0), 0.8068528),
        ((0.3, -1.2), (0.3, -1.2), 0.0),
        ((0.0, 0.0), (0.3, -1.2), 0.5 * (-1.2 + 1.09 * np.exp(1.2) - 1.0)),
    ],
)
def test_kl_to_another_gaussian_is_the_closed_form(q, p, expected):
    np.testing.assert_allclose(KL(gaussian(*q), gaussian(*p)), [[expected]], rtol=1e-6, atol=1e-7)


def test_kl_is_the_mean_log_ratio_of_samples(posterior, key):
    prior = Gaussian(posterior.logvar, posterior.mean)
    z = SAMPLE(posterior, key, num_samples=20_000)
    ratio = np.asarray(LOG_DENSITY(posterior, z)) - np.asarray(LOG_DENSITY(prior, z))
    error = ratio.std(0) / np.sqrt(len(ratio))
    assert np.all(np.abs(ratio.mean(0) - KL(posterior, prior)) < 5 * error)
    whole = distributions.standard_normal(posterior.mean)
    row = distributions.standard_normal(np.zeros(2, np.float32))
    np.testing.assert_array_equal(KL(posterior, whole), KL(posterior, row))


def test_kl_has_no_gradient_at_the_prior():
    gradient = jax.jit(jax.grad(lambda q: KL(q, STANDARD).sum()))(gaussian(0.0, 0.0))
    assert gradient.mean == 0.0 and gradient.logvar == 0.0


def test_log_prob_is_scipys(posterior, key):
    z = SAMPLE(posterior, key, num_samples=4)
    scale = np.exp(0.5 * np.asarray(posterior.logvar, np.float64))
    expected = stats.norm.logpdf(np.asarray(z, np.float64), np.asarray(posterior.mean), scale)
    np.testing.assert_allclose(posterior.log_density(z), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(LOG_PROB(posterior, z), expected.sum(-1), rtol=1e-5)
    np.testing.assert_allclose(LOG_PROB(posterior, z[0]), expected[0].sum(-1), rtol=1e-5)


def test_samples_have_the_moments_and_the_shape(posterior, key):
    z = SAMPLE(posterior, key, num_samples=40_000)
    deviation = np.exp(0.5 * np.asarray(posterior.logvar))
    assert z.shape == (40_000, 3, 2) and z.dtype == jnp.float32
    z = np.asarray(z)
    assert np.all(np.abs(z.mean(0) - posterior.mean) < 5 * deviation / 200)
    np.testing.assert_allclose(z.std(0), deviation, rtol=0.02)
    other = jax.random.fold_in(jax.random.key(0), 1)
    assert SAMPLE(posterior, other).shape == (3, 2)


def test_a_sample_is_differentiable_in_mean_and_scale(key):
    q = gaussian(0.5, -1.0)
    z, gradient = jax.jit(jax.value_and_grad(lambda q, key: q.sample(key)[0, 0]))(q, key)
    assert gradient.mean == 1.0
    np.testing.assert_allclose(gradient.logvar, [[0.5 * (z - 0.5)]], rtol=1e-6)


def test_extreme_variances_stay_finite(key):
    @jax.jit
    @jax.value_and_grad
    def total(q, key):
        z = q.sample(key, 2)
        prior = Gaussian(q.mean + 1.0, -q.logvar / 3)
        return KL(q, STANDARD).sum() + q.log_prob(z).sum() + KL(q, prior).sum()

    value, gradient = total(Gaussian(np.full((2, 1), 2.0), np.array([[-30.0], [30.0]])), key)
    assert np.isfinite(value) and np.isfinite(gradient.mean).all() and np.isfinite(gradient.logvar).all()


def test_wrong_shapes_are_refused_by_name(posterior):
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(2, 3\)"):
        posterior.log_prob(jnp.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"\(1, 1\).*\(3, 2\)"):
        distributions.kl_divergence(posterior, gaussian(0.0, 0.0))
    with pytest.raises(ValueError, match=r"\(3, 2\).*\(2,\)"):
        posterior.log_prob(jnp.zeros(2))


def test_a_deterministic_code_is_its_value_and_has_no_density(posterior, key):
    code = Delta(posterior.mean)
    np.testing.assert_array_equal(code.sample(key), posterior.mean)
    assert code.sample(key, 5).shape == (5, 3, 2)
    assert not distributions.has_density(code) and not hasattr(code, "log_prob")
    assert distributions.kl_divergence(code, posterior) is None
    assert jax.tree.structure(code).num_leaves == 1


def test_a_posterior_is_a_tree_of_its_arrays(posterior):
    halves = jax.tree.map(lambda leaf: leaf[:1], posterior)
    assert isinstance(halves, Gaussian) and halves.mean.shape == (1, 2)


def test_stop_gradient_of_a_posterior_keeps_values_only(posterior):
    z = posterior.mean + 1.0
    held = jax.jit(jax.grad(lambda q: jax.lax.stop_gradient(q).log_prob(z).sum()))(posterior)
    assert not held.mean.any() and not held.logvar.any()
    np.testing.assert_array_equal(jax.lax.stop_gradient(posterior).log_prob(z), posterior.log_prob(z))


@pytest.fixture
def correlated():
    """Three Gaussians with two latents, each with a covariance of its own."""
    rng = np.random.default_rng(1)
    scales = np.tril(rng.normal(size=(3, 2, 2)))
    scales[:, [0, 1], [0, 1]] = rng.uniform(0.3, 2.0, size=(3, 2))
    return MultivariateGaussian(rng.normal(size=(3, 2)).astype(np.float32), scales.astype(np.float32))


def covariances(distribution):
    scales = np.asarray(distribution.scale_tril, np.float64)
    return scales @ scales.swapaxes(-1, -2)


def test_the_log_prob_with_a_full_covariance_is_scipys(correlated):
    z = np.random.default_rng(2).normal(size=(4, 3, 2)).astype(np.float32)
    each = zip(np.asarray(correlated.mean, np.float64), covariances(correlated), strict=True)
    expected = np.stack([stats.multivariate_normal(*each_one).logpdf(z[:, i]) for i, each_one in enumerate(each)], 1)
    log_prob = jax.jit(MultivariateGaussian.log_prob)
    np.testing.assert_allclose(log_prob(correlated, z), expected, rtol=1e-4)
    np.testing.assert_allclose(log_prob(correlated, z[0]), expected[0], rtol=1e-4)
    one = jax.tree.map(lambda leaf: leaf[0], correlated)  # without a batch axis, as a prior
    np.testing.assert_allclose(log_prob(one, z[:, 0]), expected[:, 0], rtol=1e-4)
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        correlated.log_prob(np.zeros((2, 2), np.float32))


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_with_a_full_covariance_have_it(correlated, key, temperature):
    z = np.asarray(correlated.tempered(temperature).sample(key, 40_000))
    assert z.shape == (40_000, 3, 2) and z.dtype == np.float32
    for i, covariance in enumerate(covariances(correlated)):
        error = 5 * np.sqrt(np.diag(covariance)) / 200
        assert np.all(np.abs(z[:, i].mean(0) - correlated.mean[i]) < error)
        np.testing.assert_allclose(np.cov(z[:, i].T), temperature**2 * covariance, atol=0.05 * covariance.max())
    np.testing.assert_array_equal(correlated.mode(), correlated.mean)
    assert correlated.sample(jax.random.key(7)).shape == (3, 2)


def test_a_temperature_multiplies_standard_deviations(posterior):
    cold = posterior.tempered(0.5)
    np.testing.assert_array_equal(cold.mean, posterior.mean)
    scale, cold_scale = (np.exp(0.5 * np.asarray(q.logvar)) for q in (posterior, cold))
    np.testing.assert_allclose(cold_scale, 0.5 * scale, rtol=1e-6)
