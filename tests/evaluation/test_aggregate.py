"""The split of the KL on the aggregate posterior: float64 enumeration and cases with a closed form."""

import jax
import numpy as np
import pytest
from scipy import special, stats

from vae_jax import models
from vae_jax.distributions import Gaussian, standard_normal
from vae_jax.evaluation import aggregate
from vae_jax.evaluation.encodings import Encodings


def split(mean, logvar):
    prior = standard_normal(np.zeros(np.shape(mean)[1], np.float32))
    return aggregate.kl_split(jax.random.key(0), Gaussian(np.float32(mean), np.float32(logvar)), prior)


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


def test_another_prior_moves_the_marginal_kl_alone():
    rng = np.random.default_rng(0)
    posterior = Gaussian(np.float32(rng.normal(size=(500, 2))), np.full((500, 2), -1.0, np.float32))
    narrow, wide = (
        aggregate.kl_split(jax.random.key(0), posterior, Gaussian(np.zeros(2, np.float32), np.full(2, logvar)))
        for logvar in np.float32([0.0, 2.0])
    )
    assert wide["mutual_information"] == narrow["mutual_information"]
    z = np.asarray(posterior.sample(jax.random.key(0)), np.float64)
    gain = (stats.norm.logpdf(z).sum(-1) - stats.norm.logpdf(z, scale=np.e).sum(-1)).mean()
    assert wide["marginal_kl"] - narrow["marginal_kl"] == pytest.approx(gain, abs=1e-4)


@pytest.mark.parametrize(("most", "advice"), [(50, "raise num_images"), (40, "no more are taken")])
def test_more_images_are_advised_only_where_more_would_be_taken(monkeypatch, most, advice):
    monkeypatch.setattr(aggregate, "MAX_ENCODINGS", most)
    mean = 100.0 * np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    posterior = Gaussian(mean, np.zeros_like(mean))
    encoded = Encodings(mean, mean, posterior, np.zeros_like(mean), {})
    made = aggregate.section(models.VAE((8, 8, 1), latent_dim=2), {"params": {}}, encoded, jax.random.key(0), 100)
    assert made["num_encodings"] == 40 and advice in made["note"]


def test_an_estimate_below_zero_is_said_beside_the_number():
    numbers = dict.fromkeys(aggregate.AT_LEAST_ZERO, 0.5) | {"largest_mutual_information": 4.0}
    assert aggregate._notes(numbers, 100) == []
    (note,) = aggregate._notes(numbers | {"total_correlation": -0.01}, 100)
    assert note.startswith("total_correlation: below 0")


def test_what_cannot_be_split_says_why():
    code = np.zeros((4, 2), np.float32)
    without = Encodings(code, code, None, None, {})
    assert aggregate.section(None, {}, without, jax.random.key(0), 4) == {"absent": aggregate.NO_DENSITY}
    joint_only = Encodings(code, code, None, code, {})
    assert aggregate.section(None, {}, joint_only, jax.random.key(0), 4) == {"absent": aggregate.NO_MARGINALS}
