"""The split of the KL against exact aggregate posteriors, enumerated in float64."""

import functools
import itertools

import jax
import numpy as np
import pytest
from scipy import special, stats

from vae_jax import distributions
from vae_jax.distributions import Gaussian
from vae_jax.losses import penalties, total_correlation

SPLIT = jax.jit(total_correlation.minibatch_kl_split, static_argnames=("num_data", "estimator"))
DENSITY = jax.jit(total_correlation.aggregate_log_density, static_argnames=("num_data", "estimator"))


def test_the_stratified_density_is_unbiased_over_all_batches():
    rng = np.random.default_rng(0)
    means, logvars = rng.normal(size=(5, 2)), rng.normal(size=(5, 2))
    z = rng.normal(size=(3, 2)).astype(np.float32)
    exact = stats.norm.pdf(z[0], means, np.exp(logvars / 2)).prod(-1).mean()
    estimates = {"stratified": [], "weighted": []}
    for others in itertools.permutations(range(1, 5), 2):
        rows = [0, *others]
        posterior = Gaussian(means[rows].astype(np.float32), logvars[rows].astype(np.float32))
        for estimator, values in estimates.items():
            values.append(np.exp(DENSITY(z, posterior, num_data=5, estimator=estimator)[0][0]))
    assert len(estimates["stratified"]) == 12
    assert np.mean(estimates["stratified"]) == pytest.approx(exact, rel=1e-6)
    assert np.mean(estimates["weighted"]) < 0.7 * exact


def test_weights_stand_for_the_data():
    weights = np.exp(total_correlation.log_minibatch_weights(7, 100))
    np.testing.assert_allclose(weights.sum(1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(np.diag(weights), 0.01)
    assert np.count_nonzero(np.isclose(weights, 1 / 6)) == 7 * 5
    np.testing.assert_allclose(np.exp(total_correlation.log_minibatch_weights(7, 100, "weighted")), 1 / 700)


@pytest.fixture(scope="module")
def toy():
    """Means, posterior samples and the exact split of 5000 images whose codes 0, 1 and 2, 3 go together."""
    rng = np.random.default_rng(0)
    means = rng.standard_normal((5000, 6))
    means[:, 1] = 0.8 * means[:, 0] + 0.6 * means[:, 1]
    means[:, 3] = 0.8 * means[:, 2] + 0.6 * means[:, 3]
    z = means + np.exp(-1.5) * rng.standard_normal(means.shape)
    some = z[:150]
    pairs = stats.norm.logpdf(some[:, None], means[None], np.exp(-1.5))  # [150, 5000, 6]
    joint = special.logsumexp(pairs.sum(-1), axis=1) - np.log(5000)
    factorised = (special.logsumexp(pairs, axis=1) - np.log(5000)).sum(-1)
    exact = np.array([-0.5 * 6 * (1 + np.log(2 * np.pi) - 3) - joint.mean(), (joint - factorised).mean()])
    return means.astype(np.float32), z.astype(np.float32), exact


def test_stratified_sampling_comes_close_to_the_exact_aggregate(toy):
    means, z, (exact_information, exact_correlation) = toy
    assert exact_correlation == pytest.approx(1.722, abs=0.3)  # on 150 of the 5000
    parts = []
    for start in range(0, 64 * 24, 64):
        rows = slice(start, start + 64)
        posterior = Gaussian(means[rows], np.full((64, 6), -3.0, np.float32))
        parts.append(SPLIT(z[rows], posterior, num_data=5000))
    information, correlation, _ = np.mean(np.array(parts), axis=0)
    assert correlation == pytest.approx(1.35, abs=0.25)  # what docs/theory.md says of this toy
    weighted = SPLIT(
        z[:64], Gaussian(means[:64], np.full((64, 6), -3.0, np.float32)), num_data=5000, estimator="weighted"
    )
    assert float(weighted.total_correlation) == pytest.approx(47.3, abs=1.2)
    assert abs(correlation - exact_correlation) < 0.6  # the weight filled in off the diagonal adds 3, the usual slip
    assert abs(information - exact_information) < 1.0


@pytest.mark.parametrize("estimator", ["stratified", "weighted"])
def test_the_three_parts_are_the_kl_of_the_samples(toy, estimator):
    means, z, _ = toy
    posterior = Gaussian(means[:32], np.full((32, 6), -3.0, np.float32))
    split = SPLIT(z[:32], posterior, num_data=5000, estimator=estimator)
    ratio = posterior.log_prob(z[:32]) - distributions.standard_normal(posterior.mean).log_prob(z[:32])
    assert float(sum(split)) == pytest.approx(float(ratio.mean()), rel=1e-5)


def test_equal_posteriors_carry_nothing_and_show_the_constants():
    posterior = Gaussian(np.zeros((16, 10), np.float32), np.zeros((16, 10), np.float32))
    z = np.random.default_rng(0).normal(size=(16, 10)).astype(np.float32)
    information, correlation, rest = SPLIT(z, posterior, num_data=1000)
    assert abs(information) < 1e-5 and abs(correlation) < 1e-4 and abs(rest) < 1e-4
    weighted = SPLIT(z, posterior, num_data=1000, estimator="weighted")
    assert float(weighted.total_correlation) == pytest.approx(9 * np.log(1000), rel=1e-5)
    assert float(weighted.mutual_information) == pytest.approx(np.log(1000), rel=1e-5)


@pytest.mark.parametrize("name", ["mutual_information", "total_correlation", "dimension_wise_kl"])
def test_each_part_is_a_penalty(toy, name, key):
    means, z, _ = toy
    posterior = Gaussian(means[:8], np.full((8, 6), -3.0, np.float32))
    penalty = jax.jit(functools.partial(penalties.PENALTIES[name], num_data=100, estimator="weighted"))
    split = SPLIT(z[:8], posterior, num_data=100, estimator="weighted")
    np.testing.assert_allclose(penalty(key, z[:8], posterior), getattr(split, name), rtol=1e-6)


def test_extreme_posteriors_have_finite_parts_and_gradients(key):
    logvar = np.float32([[-30.0, 30.0], [30.0, -30.0], [0.0, 0.0], [-30.0, -30.0]])
    mean = np.float32([[500.0, 0.0], [-500.0, 1.0], [0.0, 0.0], [1.0, 1.0]])

    @jax.jit
    @jax.value_and_grad
    def total(posterior, key):
        z = posterior.sample(key)
        return sum(total_correlation.minibatch_kl_split(z, posterior, num_data=10))

    value, gradient = total(Gaussian(mean, logvar), key)
    assert np.isfinite(value) and all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_what_has_no_aggregate_posterior_is_refused(without_shape_checks):
    posterior = Gaussian(np.zeros((4, 2), np.float32), np.zeros((4, 2), np.float32))
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        total_correlation.minibatch_kl_split(np.zeros((3, 2), np.float32), posterior, num_data=10)
    with pytest.raises(ValueError, match="Gaussian"):
        total_correlation.minibatch_kl_split(posterior.mean, distributions.Delta(posterior.mean), num_data=10)
    with pytest.raises(ValueError, match="num_data = 3"):
        total_correlation.minibatch_kl_split(posterior.mean, posterior, num_data=3)
    with pytest.raises(ValueError, match="estimator"):
        total_correlation.minibatch_kl_split(posterior.mean, posterior, num_data=10, estimator="mss")
