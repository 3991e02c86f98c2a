"""Categorical latents against enumeration, and the relaxed ones against torch's density and quadrature."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from vae_jax.distributions.categorical import (
    Categorical,
    RelaxedCategorical,
    kl_categorical_categorical,
    kl_relaxed_categorical_categorical,
)

SAMPLE = jax.jit(Categorical.sample, static_argnames="num_samples")
LOG_PROB, KL = jax.jit(Categorical.log_prob), jax.jit(kl_categorical_categorical)
RELAXED_SAMPLE = jax.jit(RelaxedCategorical.sample, static_argnames="num_samples")
RELAXED_LOG_PROB = jax.jit(RelaxedCategorical.log_prob)


@pytest.fixture
def logits():
    return jnp.float32(np.random.default_rng(0).normal(size=(3, 2, 4)))


def simplex(*probabilities):
    return jnp.float32(probabilities)[None, None]


def test_probabilities_of_all_codes_sum_to_one(logits):
    codes = np.float32([[np.eye(4)[i], np.eye(4)[j]] for i, j in itertools.product(range(4), repeat=2)])
    z = jnp.broadcast_to(codes[:, None], (16, 3, 2, 4))
    log_prob = LOG_PROB(Categorical(logits), z)
    np.testing.assert_allclose(special.logsumexp(log_prob, axis=0), 0.0, atol=1e-6)
    expected = np.log(special.softmax(np.float64(logits), axis=-1))
    np.testing.assert_allclose(log_prob[1], expected[:, 0, 0] + expected[:, 1, 1], rtol=1e-5)  # the codes (0, 1)


def test_samples_are_one_hot_with_the_stated_frequencies(logits, key):
    z = np.asarray(SAMPLE(Categorical(logits), key, num_samples=4000))
    assert z.shape == (4000, 3, 2, 4) and set(np.unique(z)) == {0.0, 1.0} and np.all(z.sum(-1) == 1)
    probabilities = special.softmax(np.float64(logits), axis=-1)
    for count, p in zip(z.sum(0).reshape(-1, 4), probabilities.reshape(-1, 4), strict=True):
        assert stats.chisquare(count, 4000 * p).pvalue > 1e-3


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [((0.25,) * 4, 0.0), ((0.7, 0.1, 0.1, 0.1), 0.4458464), ((1.0, 0.0, 0.0, 0.0), 1.3862944)],
)
def test_kl_to_the_uniform_prior_has_the_known_values(probabilities, expected):
    q = Categorical(jnp.log(simplex(*probabilities)))
    kl = KL(q, Categorical(jnp.zeros((1, 4))))
    np.testing.assert_allclose(kl, [[expected]], atol=1e-6)
    np.testing.assert_allclose(jax.jit(Categorical.entropy)(q), np.log(4) - kl, atol=1e-6)


def test_kl_to_another_categorical_is_the_enumerated_sum(logits):
    q, p = (special.softmax(np.float64(array), axis=-1) for array in (logits, logits[::-1]))
    np.testing.assert_allclose(KL(Categorical(logits), Categorical(logits[::-1])), special.rel_entr(q, p).sum(-1), 1e-5)


def test_excluded_classes_have_probability_zero_and_finite_gradients():
    q = Categorical(jnp.float32([[[0.3, -jnp.inf, 0.1]]]))
    zero, one = jnp.float32([[[0.0, 1.0, 0.0]]]), jnp.float32([[[1.0, 0.0, 0.0]]])
    assert LOG_PROB(q, zero) == -np.inf and np.isfinite(LOG_PROB(q, one))
    uniform = Categorical(jnp.zeros((1, 3)))
    gradient = jax.jit(jax.grad(lambda q: kl_categorical_categorical(q, uniform).sum() + q.log_prob(one).sum()))(q)
    assert np.all(np.isfinite(gradient.logits))


def test_posterior_of_a_three_class_model_gives_its_likelihood():
    """p(x | k) = (.9, .5, .1) and a uniform prior: log p(x) = ln 0.5; q = (.6, .3, .1) has the ELBO -0.7020855."""
    likelihood, prior = jnp.log(jnp.float32([0.9, 0.5, 0.1])), Categorical(jnp.zeros((1, 3)))
    z = jnp.eye(3)[:, None, None]
    exact = Categorical(likelihood[None, None])
    weights = z[..., 0, :] @ likelihood + LOG_PROB(prior, z) - LOG_PROB(exact, z)
    np.testing.assert_allclose(weights, np.log(0.5), rtol=1e-6)
    q = Categorical(jnp.log(simplex(0.6, 0.3, 0.1)))
    elbo = (jnp.float32([0.6, 0.3, 0.1]) * likelihood).sum() - KL(q, prior)
    np.testing.assert_allclose(elbo, [[-0.7020855]], atol=1e-6)


def test_relaxed_density_has_the_known_values():
    uniform = RelaxedCategorical(jnp.zeros((1, 1, 2)), jnp.float32(1.0))
    np.testing.assert_allclose(RELAXED_LOG_PROB(uniform, simplex(0.5, 0.5)), 0.0, atol=1e-6)
    q = RelaxedCategorical(simplex(0.0, 1.0, -1.0), jnp.float32(0.5))
    np.testing.assert_allclose(RELAXED_LOG_PROB(q, simplex(0.2, 0.7, 0.1)), [0.0267832], atol=2e-6)
    shifted = RelaxedCategorical(q.logits + 3.0, q.temperature)
    np.testing.assert_allclose(RELAXED_LOG_PROB(shifted, simplex(0.2, 0.7, 0.1)), [0.0267832], atol=2e-6)


def test_relaxed_density_agrees_with_torch(logits, key):
    torch = pytest.importorskip("torch")
    z = RELAXED_SAMPLE(RelaxedCategorical(logits, jnp.float32(0.7)), key, num_samples=5)
    law = torch.distributions.RelaxedOneHotCategorical(torch.tensor(0.7), logits=torch.tensor(np.array(logits)))
    expected = law.log_prob(torch.tensor(np.array(z))).sum(-1)
    np.testing.assert_allclose(RELAXED_LOG_PROB(RelaxedCategorical(logits, jnp.float32(0.7)), z), expected, 1e-3, 1e-3)


@pytest.mark.parametrize("temperature", (0.5, 2.0))
def test_relaxed_density_integrates_to_one_over_the_simplex(temperature):
    """With two classes, z = (sigmoid(t), sigmoid(-t)) and the measure is sigmoid(t) sigmoid(-t) dt."""
    t = np.linspace(-40.0, 40.0, 8001)
    first, second = special.expit(t), special.expit(-t)
    q = RelaxedCategorical(jnp.float32([[[0.4, -0.8]]]), jnp.float32(temperature))
    density = np.exp(np.float64(RELAXED_LOG_PROB(q, np.float32(np.stack([first, second], -1))[:, None, None])))[:, 0]
    assert np.sum(density * first * second) * (t[1] - t[0]) == pytest.approx(1.0, abs=1e-4)


def test_argmax_of_relaxed_samples_has_the_frequencies_of_the_categorical(logits, key):
    q = RelaxedCategorical(logits, jnp.float32(0.5))
    z = np.asarray(RELAXED_SAMPLE(q, key, num_samples=4000))
    np.testing.assert_allclose(z.sum(-1), 1.0, rtol=1e-5)
    count = np.eye(4)[z.argmax(-1)].sum(0)
    for observed, p in zip(count.reshape(-1, 4), special.softmax(np.float64(logits), -1).reshape(-1, 4), strict=True):
        assert stats.chisquare(observed, 4000 * p).pvalue > 1e-3


def test_relaxed_samples_follow_the_density(key):
    """With two classes, logit(z_1) = (logit difference + logistic noise) / temperature."""
    q = RelaxedCategorical(jnp.float32([[[0.4, -0.8]]]), jnp.float32(0.7))
    z = np.float64(RELAXED_SAMPLE(q, key, num_samples=4000))[:, 0, 0]
    law = stats.logistic(loc=1.2 / 0.7, scale=1 / 0.7)
    assert stats.kstest(np.log(z[:, 0] / z[:, 1]), law.cdf).pvalue > 1e-3


def test_kl_of_relaxed_distributions_at_one_temperature_does_not_depend_on_it():
    q, p = jnp.log(simplex(0.7, 0.1, 0.1, 0.1)), jnp.zeros((1, 1, 4))

    def ratio(temperature):
        prior = RelaxedCategorical(p, temperature)
        z, log_q = RelaxedCategorical(q, temperature).sample_and_log_prob(jax.random.key(0), 20_000)
        return log_q - prior.log_prob(z)

    for temperature in np.float32([0.5, 1.0]):
        sample = np.float64(jax.jit(ratio)(temperature))
        assert sample.mean() == pytest.approx(0.8708, abs=5 * sample.std() / np.sqrt(20_000))


def test_sample_and_log_prob_is_one_pass_and_exact_where_samples_underflow(logits, key):
    both = jax.jit(RelaxedCategorical.sample_and_log_prob, static_argnames=("num_samples", "path"))
    z, log_q = both(RelaxedCategorical(logits, jnp.float32(0.7)), key, num_samples=5)
    np.testing.assert_allclose(log_q, RELAXED_LOG_PROB(RelaxedCategorical(logits, jnp.float32(0.7)), z), rtol=1e-3)
    cold = RelaxedCategorical(logits, jnp.float32(1e-3))
    _, log_q = both(cold, jax.random.key(1), num_samples=5)
    assert np.all(np.isfinite(log_q))


def test_straight_through_samples_are_codes_with_the_gradient_of_the_relaxed_sample(logits):
    hard = RelaxedCategorical(logits, jnp.float32(0.7), straight_through=True)
    soft = RelaxedCategorical(logits, jnp.float32(0.7))
    weights = jnp.float32(np.random.default_rng(1).normal(size=(3, 2, 4)))

    def total(q):
        return (q.sample(jax.random.key(0)) * weights).sum()

    gradient = jax.jit(jax.grad(total))
    np.testing.assert_allclose(gradient(hard).logits, gradient(soft).logits, rtol=1e-5, atol=1e-7)
    z = RELAXED_SAMPLE(hard, jax.random.key(1))
    np.testing.assert_allclose(np.sort(z, axis=-1), np.broadcast_to([0, 0, 0, 1], z.shape), atol=1e-6)
    code = jnp.float32(np.round(z))
    np.testing.assert_allclose(RELAXED_LOG_PROB(hard, code), LOG_PROB(Categorical(logits), code), rtol=1e-6)
    cold = RelaxedCategorical(logits, jnp.float32(1e-3), straight_through=True)
    assert np.all(np.isfinite(gradient(cold).logits))


def test_path_gradients_reach_the_density_through_the_sample_alone(logits):
    def log_q(q, path):
        return q.sample_and_log_prob(jax.random.key(0), 4, path=path)[1]

    def by_hand(q):
        return jax.lax.stop_gradient(q).log_prob(q.sample(jax.random.key(0), 4))

    q = RelaxedCategorical(logits, jnp.float32(1.0))
    expected = jax.jit(jax.grad(lambda q: by_hand(q).sum()))(q)
    got = jax.jit(jax.grad(lambda q: log_q(q, True).sum()))(q)
    np.testing.assert_allclose(got.logits, expected.logits, rtol=1e-3, atol=1e-4)
    plain = jax.jit(jax.grad(lambda q: log_q(q, False).sum()))(q)
    assert np.abs(plain.logits - got.logits).max() > 0.1


def test_surrogate_kl_is_that_of_the_hard_codes(logits):
    uniform = Categorical(jnp.zeros((2, 4)))
    relaxed = RelaxedCategorical(logits, jnp.float32(0.5))
    np.testing.assert_array_equal(
        kl_relaxed_categorical_categorical(relaxed, uniform), kl_categorical_categorical(Categorical(logits), uniform)
    )


def test_axes_types_and_refusals(logits, key):
    q = Categorical(logits)
    prior = Categorical(logits[0])
    z = SAMPLE(q, key, num_samples=5)
    assert SAMPLE(prior, jax.random.key(1)).shape == (2, 4) and LOG_PROB(prior, z).shape == (5, 3)
    mapped = jax.jit(jax.vmap(Categorical.log_prob, in_axes=(0, 1), out_axes=1))(q, z)
    np.testing.assert_allclose(mapped, LOG_PROB(q, z), rtol=1e-6)
    np.testing.assert_array_equal(q.mode().argmax(-1), logits.argmax(-1))
    each = RelaxedCategorical(logits, jnp.float32([0.5, 1.0, 2.0])[:, None, None])
    for i, temperature in enumerate((0.5, 1.0, 2.0)):
        one = RelaxedCategorical(logits[i], jnp.float32(temperature))
        soft = jnp.full((2, 4), 0.25)
        expected = RELAXED_LOG_PROB(one, soft)
        np.testing.assert_allclose(RELAXED_LOG_PROB(each, jnp.full((3, 2, 4), 0.25))[i], expected, rtol=1e-5)
    half = RelaxedCategorical(logits.astype(jnp.bfloat16), jnp.float32(0.5))
    assert RELAXED_SAMPLE(half, jax.random.key(2)).dtype == jnp.bfloat16
    assert RELAXED_LOG_PROB(half, z).dtype == jnp.float32
    with pytest.raises(ValueError, match="does not fit"):
        q.log_prob(jnp.ones((5, 2, 4)))
    with pytest.raises(ValueError, match="does not fit"):
        kl_categorical_categorical(q, Categorical(jnp.zeros((2, 3))))
