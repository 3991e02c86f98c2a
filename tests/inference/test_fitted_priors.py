"""Moments of samples against numpy's, densities fitted to known mixtures, and what is kept on disk."""

import jax
import numpy as np
import pytest

from vae_jax import distributions, errors
from vae_jax.distributions import Gaussian, Mixture, MultivariateGaussian
from vae_jax.inference import fitted_priors, prior_names

WEIGHTS = np.array([0.7, 0.3])
MEANS = np.array([[-3.0, 0.0, 1.0], [3.0, 2.0, -1.0]])
COVARIANCES = np.array(
    [
        [[1.0, 0.6, 0.0], [0.6, 1.0, 0.0], [0.0, 0.0, 0.25]],
        [[0.5, 0.0, 0.2], [0.0, 2.0, 0.0], [0.2, 0.0, 1.0]],
    ]
)


def float32(array):
    return np.asarray(array, np.float32)


KNOWN = Mixture(
    float32(np.log(WEIGHTS)), MultivariateGaussian(float32(MEANS), float32(np.linalg.cholesky(COVARIANCES)))
)


def samples(prior, key, num, temperature=1.0):
    return np.asarray(distributions.tempered(prior, temperature).sample(key, num))


def moments(weights, means, covariances):
    mean = weights @ means
    second = np.einsum("m,mij->ij", weights, covariances + np.einsum("mi,mj->mij", means, means))
    return mean, second - np.outer(mean, mean)


def codes_of_the_known_mixture(num=20_000, noise=0.3):
    """Posteriors whose aggregate is the known mixture: means of covariance less noise^2, and that noise."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(2, num, p=WEIGHTS)
    factors = np.linalg.cholesky(COVARIANCES - noise**2 * np.eye(3))
    mean = MEANS[chosen] + np.einsum("nij,nj->ni", factors[chosen], rng.normal(size=(num, 3)))
    return distributions.Gaussian(mean.astype(np.float32), np.full((num, 3), 2 * np.log(noise), np.float32))


CODES = codes_of_the_known_mixture()


@pytest.mark.parametrize("temperature", [1.0, 0.5, 0.0])
def test_samples_have_the_mixtures_moments(temperature, key):
    z = samples(KNOWN, key, 40_000, temperature)
    assert z.dtype == np.float32
    mean, covariance = moments(WEIGHTS, MEANS, temperature**2 * COVARIANCES)
    np.testing.assert_allclose(z.mean(0), mean, atol=0.05)
    np.testing.assert_allclose(np.cov(z.T), covariance, atol=0.12)


def test_the_standard_prior_is_the_keys_own_noise_times_temperature(key):
    standard = distributions.standard_normal(np.zeros(3, np.float32))
    cold = samples(standard, jax.random.clone(key), 20_000, 0.5)
    np.testing.assert_allclose(cold, 0.5 * samples(standard, key, 20_000), rtol=1e-6)
    np.testing.assert_allclose(np.cov(cold.T), 0.25 * np.eye(3), atol=0.01)
    assert (cold != samples(standard, jax.random.key(1), 20_000, 0.5)).all()


def test_the_fitted_gaussian_has_the_moments_of_the_aggregate_posterior(key):
    fitted = fitted_priors.fit("gaussian", CODES)
    mean = CODES.mean.astype(np.float64)
    expected = np.cov(mean.T, bias=True) + 0.09 * np.eye(3)
    np.testing.assert_allclose(fitted.mean, mean.mean(0), rtol=1e-5)
    np.testing.assert_allclose(fitted.scale_tril @ fitted.scale_tril.T, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(expected, moments(WEIGHTS, MEANS, COVARIANCES)[1], atol=0.2)  # the codes are right


def test_the_fitted_mixture_finds_the_known_one():
    fitted = fitted_priors.fit("mixture:2", CODES)
    means, scales = (np.asarray(leaf) for leaf in (fitted.components.mean, fitted.components.scale_tril))
    order = np.argsort(means[:, 0])
    np.testing.assert_allclose(np.exp(fitted.log_weights)[order], WEIGHTS, atol=0.02)
    np.testing.assert_allclose(means[order], MEANS, atol=0.08)
    covariances = scales @ scales.swapaxes(1, 2)
    np.testing.assert_allclose(covariances[order], COVARIANCES, atol=0.1)
    assert covariances[order][0, 2, 2] == pytest.approx(0.25, abs=0.03)  # of which 0.09 is the posteriors' own width


def test_the_aggregate_draws_around_every_code(key):
    codes = distributions.Gaussian(np.array([[0.0], [10.0], [20.0]]), np.log(np.array([[0.01], [0.04], [0.09]])))
    z = samples(fitted_priors.fit("aggregate", codes), jax.random.clone(key), 30_000)[:, 0]
    for centre, std in ((0, 0.1), (10, 0.2), (20, 0.3)):
        near = z[np.abs(z - centre) < 5]
        assert len(near) == pytest.approx(10_000, rel=0.05)
        assert near.std() == pytest.approx(std, rel=0.05)
    without_noise = samples(fitted_priors.fit("aggregate", codes), key, 100, 0.0)
    assert set(without_noise[:, 0]) == {0.0, 10.0, 20.0}


def test_codes_that_do_not_vary_are_fitted_all_the_same(key):
    ones = np.ones((5, 2), np.float32)
    for codes in (Gaussian(ones, np.full((5, 2), -60.0, np.float32)), distributions.Delta(ones)):
        for name in ("gaussian", "mixture:2", "aggregate"):
            drawn = samples(fitted_priors.fit(name, codes), jax.random.clone(key), 3)
            np.testing.assert_allclose(drawn, 1.0, atol=0.02)


@pytest.mark.parametrize("name", ["normal", "mixture", "mixture:", "mixture:0", "mixture:-1", "gaussian:3", ""])
def test_other_names_are_refused(name):
    with pytest.raises(errors.UserError, match="is not a prior; use standard, gaussian"):
        prior_names.parse(name)


def test_too_few_codes_are_refused():
    few = distributions.Gaussian(np.zeros((3, 2)), np.zeros((3, 2)))
    with pytest.raises(errors.UserError, match="mixture:4 cannot be fitted to 3 training images"):
        fitted_priors.fit("mixture:4", few)


def test_a_stored_prior_comes_back_for_the_same_weights_alone():
    gaussian = jax.tree.map(lambda leaf: leaf[0], KNOWN.components)
    aggregate = Mixture(KNOWN.log_weights, Gaussian(KNOWN.components.mean, KNOWN.components.mean))
    for name, prior in {"gaussian": gaussian, "mixture:2": KNOWN, "aggregate": aggregate}.items():
        data = fitted_priors.to_bytes(prior, 7)
        stored = fitted_priors.from_bytes(name, data, 7)
        assert jax.tree.structure(stored) == jax.tree.structure(prior)
        jax.tree.map(np.testing.assert_array_equal, stored, prior)
        assert fitted_priors.from_bytes(name, data, 8) is None
        assert fitted_priors.from_bytes(name, data[:-50], 7) is None
        assert fitted_priors.from_bytes(name, b"", 7) is None
