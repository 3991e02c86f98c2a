"""Mixtures against scipy in float64: densities by logsumexp over the components, moments of samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from vae_jax.distributions import Gaussian, Mixture, MultivariateGaussian

WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = np.array([[-2.0, 0.0], [3.0, 1.0], [0.0, -4.0]])
STDS = np.array([[0.5, 1.0], [1.5, 0.3], [1.0, 1.0]])
SCALES = np.array([[[0.5, 0.0], [0.4, 1.0]], [[1.5, 0.0], [-0.2, 0.3]], [[1.0, 0.0], [0.0, 1.0]]])


def float32(array):
    return np.asarray(array, np.float32)


INDEPENDENT = Mixture(float32(np.log(WEIGHTS)), Gaussian(float32(MEANS), float32(2 * np.log(STDS))))
CORRELATED = Mixture(float32(np.log(WEIGHTS)), MultivariateGaussian(float32(MEANS), float32(SCALES)))
COVARIANCES = {
    "independent": np.stack([np.diag(std**2) for std in STDS]),
    "correlated": SCALES @ SCALES.swapaxes(1, 2),
}
MIXTURES = {"independent": INDEPENDENT, "correlated": CORRELATED}


@pytest.mark.parametrize("shape", [(), (5,), (4, 5)])
@pytest.mark.parametrize("name", MIXTURES)
def test_the_log_prob_is_scipys(name, shape):
    z = np.random.default_rng(0).normal(scale=3.0, size=(*shape, 2))
    each = [
        stats.multivariate_normal(mean, covariance).logpdf(z)
        for mean, covariance in zip(MEANS, COVARIANCES[name], strict=True)
    ]
    expected = special.logsumexp(np.stack(each, -1), axis=-1, b=WEIGHTS)
    found = jax.jit(Mixture.log_prob)(MIXTURES[name], float32(z))
    assert found.shape == shape
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("name", MIXTURES)
def test_samples_have_the_mixtures_moments(name, temperature, key):
    z = np.asarray(MIXTURES[name].tempered(temperature).sample(key, 40_000))
    assert z.shape == (40_000, 2)
    mean = WEIGHTS @ MEANS
    within = np.einsum("m,mij->ij", WEIGHTS, temperature**2 * COVARIANCES[name])
    between = np.einsum("m,mi,mj->ij", WEIGHTS, MEANS - mean, MEANS - mean)
    np.testing.assert_allclose(z.mean(0), mean, atol=0.07)
    np.testing.assert_allclose(np.cov(z.T), within + between, atol=0.15)


def test_components_are_chosen_by_their_weights_whatever_the_logits_sum_to(key):
    apart = Gaussian(float32([[0.0], [100.0], [200.0]]), np.full((3, 1), -8.0, np.float32))
    logits = float32(np.log(WEIGHTS) + 3.0)
    z = np.asarray(Mixture(logits, apart).sample(key, 20_000))[:, 0]
    counts = np.array([(np.abs(z - centre) < 10).mean() for centre in (0, 100, 200)])
    assert np.all(np.abs(counts - WEIGHTS) < 5 * np.sqrt(WEIGHTS * (1 - WEIGHTS) / 20_000))
    same = jax.jit(Mixture.log_prob)
    z = float32([[0.1], [99.0]])
    np.testing.assert_allclose(same(Mixture(logits, apart), z), same(Mixture(float32(np.log(WEIGHTS)), apart), z), 1e-6)


def test_the_mode_is_that_of_the_heaviest_component(key):
    np.testing.assert_array_equal(INDEPENDENT.mode(), float32(MEANS[0]))
    assert INDEPENDENT.sample(key).shape == (2,)


def test_the_log_prob_has_a_gradient_in_weights_and_components():
    z = float32(np.random.default_rng(1).normal(size=(6, 2)))
    gradient = jax.jit(jax.grad(lambda mixture: mixture.log_prob(z).sum()))(INDEPENDENT)
    assert all(np.isfinite(leaf).all() and leaf.any() for leaf in jax.tree.leaves(gradient))

    def moved(by):
        weights = jnp.asarray(INDEPENDENT.log_weights).at[1].add(by)
        return float(Mixture(weights, INDEPENDENT.components).log_prob(z).sum())

    assert float(gradient.log_weights[1]) == pytest.approx((moved(0.01) - moved(-0.01)) / 0.02, rel=0.01)
