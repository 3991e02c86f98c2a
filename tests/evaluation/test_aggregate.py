"""The split of the KL on the aggregate posterior: float64 enumeration and cases with a closed form."""

import jax
import numpy as np
import pytest
from scipy import special, stats

from vae_jax.distributions import Gaussian
from vae_jax.evaluation import aggregate


def split(mean, logvar):
    return aggregate.kl_split(jax.random.key(0), Gaussian(np.float32(mean), np.float32(logvar)))


def test_densities_are_those_of_the_mixture_in_any_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    mean, logvar, z = rng.normal(size=(7, 3)), rng.normal(size=(7, 3)), rng.normal(size=(10, 3))
    pairs = stats.norm.logpdf(z[:, None], mean, np.exp(logvar / 2))
    for room in (2**24, 7 * 3 * 4, 1):
        monkeypatch.setattr(aggregate, "PAIRS_PER_CALL", room)
        posterior = Gaussian(np.float32(mean), np.float32(logvar))
        joint, marginals = aggregate.log_densities(np.float32(z), posterior)
        np.testing.assert_allclose(joint, special.logsumexp(pairs.sum(-1), axis=1) - np.log(7), atol=1e-4)
        np.testing.assert_allclose(marginals, special.logsumexp(pairs, axis=1) - np.log(7), atol=1e-4)


def test_the_parts_telescope_and_the_kl_is_the_analytic_one_on_average():
    rng = np.random.default_rng(0)
    mean, logvar = rng.normal(size=(3000, 4)), np.full((3000, 4), -1.0)
    parts = split(mean, logvar)
    total = parts["mutual_information"] + parts["total_correlation"] + parts["dimension_wise_kl"]
    assert total == pytest.approx(parts["kl"], abs=1e-4)
    assert parts["marginal_kl"] == pytest.approx(parts["total_correlation"] + parts["dimension_wise_kl"], abs=1e-4)
    analytic = 0.5 * (mean**2 + np.expm1(logvar) - logvar).sum(-1).mean()
    assert parts["kl"] == pytest.approx(analytic, abs=0.1)


def test_a_collapsed_code_has_no_information_and_no_correlation():
    parts = split(np.full((500, 3), 0.5), np.zeros((500, 3)))
    assert parts["mutual_information"] == pytest.approx(0.0, abs=1e-4)
    assert parts["total_correlation"] == pytest.approx(0.0, abs=1e-4)
    assert parts["dimension_wise_kl"] == pytest.approx(3 * 0.125, abs=0.15)


def test_codes_apart_from_each_other_tell_which_image():
    mean = 100.0 * np.arange(40)[:, None] * np.ones(2)
    parts = split(mean, np.zeros((40, 2)))
    assert parts["mutual_information"] == pytest.approx(np.log(40), abs=1e-3)
    assert parts["total_correlation"] == pytest.approx(np.log(40), abs=1e-3)  # one latent tells the other
    assert parts["largest_mutual_information"] == pytest.approx(np.log(40))


def test_total_correlation_of_a_gaussian_aggregate():
    rng, rho = np.random.default_rng(0), 0.8
    means = rng.multivariate_normal([0, 0], 0.9 * np.array([[1, rho / 0.9], [rho / 0.9, 1]]), size=4000)
    parts = split(means, np.full((4000, 2), np.log(0.1)))  # q(z) is N(0, [[1, .8], [.8, 1]])
    assert parts["total_correlation"] == pytest.approx(-0.5 * np.log(1 - rho**2), abs=0.06)
    assert parts["dimension_wise_kl"] == pytest.approx(0.0, abs=0.05)
