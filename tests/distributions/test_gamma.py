"""The Gamma distribution against scipy in float64, torch's KL, closed values and Kolmogorov-Smirnov."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from vae_jax.distributions.gamma import Gamma, kl_gamma_gamma

SAMPLE = jax.jit(Gamma.sample, static_argnames="num_samples")
LOG_DENSITY, KL = jax.jit(Gamma.log_density), jax.jit(kl_gamma_gamma)
CONCENTRATION = np.float32([[1e-2, 0.5, 1.0, 3.0, 7.9, 8.1, 50.0, 1e4]])
RATE = np.float32([[1.0, 2.0, 0.1, 1.5, 30.0, 1.0, 4.0, 200.0]])


@pytest.fixture
def posterior():
    return Gamma(jnp.array(CONCENTRATION), jnp.array(RATE))


def test_log_density_agrees_with_scipy(posterior):
    quantiles = np.float64([[1e-3], [0.1], [0.5], [0.9], [0.999]])
    z = np.float32(stats.gamma.ppf(quantiles, CONCENTRATION, scale=1 / RATE))[:, None]
    z = np.maximum(z, np.finfo(np.float32).tiny)
    expected = stats.gamma.logpdf(np.float64(z), np.float64(CONCENTRATION), scale=1 / np.float64(RATE))
    # A rounding of z in float32 moves a density of shape 1e4 by 1e4 * 6e-8 / 1e-2.
    np.testing.assert_allclose(LOG_DENSITY(posterior, z), expected, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(jax.jit(Gamma.log_prob)(posterior, z), expected.sum(-1), rtol=1e-5, atol=2e-3)


def test_density_is_zero_below_zero_and_integrates_to_one(posterior):
    q = Gamma(jnp.float32([3.0]), jnp.float32([1.5]))
    z = np.linspace(0.0, 20.0, 4001, dtype=np.float32)[:, None]
    density = np.exp(np.float64(jax.jit(Gamma.log_prob)(q, z)))
    assert integrate.simpson(density, x=np.float64(z[:, 0])) == pytest.approx(1.0, abs=1e-5)
    assert jax.jit(Gamma.log_prob)(q, np.float32([2.0])) == pytest.approx(-1.0904575, abs=1e-6)
    assert LOG_DENSITY(q, np.float32([-1.0]))[0] == -np.inf
    assert np.all(np.isfinite(LOG_DENSITY(posterior, np.zeros((1, 8), np.float32))))


def test_samples_follow_the_density(posterior, key):
    z = np.float64(SAMPLE(posterior, key, num_samples=4000))[:, 0]
    assert z.shape == (4000, 8) and np.all(z > 0)
    for d in range(1, 8):
        law = stats.gamma(np.float64(CONCENTRATION[0, d]), scale=1 / np.float64(RATE[0, d]))
        assert stats.kstest(z[:, d], law.cdf).pvalue > 1e-3, CONCENTRATION[0, d]
    # At a shape of 0.01 many draws are below float32; those above follow the law too.
    tiny = np.finfo(np.float32).tiny
    below = stats.gamma(1e-2).cdf(tiny)
    assert np.mean(z[:, 0] == tiny) == pytest.approx(below, abs=5 * np.sqrt(below * (1 - below) / 4000))
    above = z[z[:, 0] > tiny, 0]
    assert stats.kstest(above, lambda x: (stats.gamma(1e-2).cdf(x) - below) / (1 - below)).pvalue > 1e-3


@pytest.mark.parametrize(
    ("q", "p", "expected"),
    [
        ((2, 1), (1, 1), 0.4227843),
        ((3, 2), (2, 1), 0.1159315),
        ((0.5, 0.5), (2, 1), 1.4866057),
        ((10, 3), (1, 1), 1.8958914),
        ((7, 2), (7, 2), 0.0),
    ],
)
def test_kl_has_the_known_values(q, p, expected):
    q, p = (Gamma(jnp.float32([[a]]), jnp.float32([[b]])) for a, b in (q, p))
    np.testing.assert_allclose(KL(q, p), [[expected]], rtol=1e-5, atol=1e-7)


def test_kl_agrees_with_torch_in_float64_for_small_and_large_shapes():
    torch = pytest.importorskip("torch")
    shapes = np.float32([1e-2, 0.3, 1.0, 7.9, 8.1, 100.0, 1e4])
    a_q, a_p = (grid.ravel() for grid in np.meshgrid(shapes, shapes))
    b_q, b_p = np.float32(np.random.default_rng(0).uniform(0.5, 2.0, size=(2, a_q.size)))
    got = KL(Gamma(a_q[None], b_q[None]), Gamma(a_p, b_p))
    laws = (torch.distributions.Gamma(*torch.tensor(np.float64(pair))) for pair in ((a_q, b_q), (a_p, b_p)))
    np.testing.assert_allclose(got[0], torch.distributions.kl_divergence(*laws).numpy(), rtol=2e-6, atol=2e-6)


def test_kl_is_the_mean_log_ratio_of_samples(key):
    q, p = Gamma(jnp.float32([[0.7, 5.0]]), jnp.float32([[2.0, 1.0]])), Gamma(jnp.ones(2), jnp.ones(2))
    z = SAMPLE(q, key, num_samples=20_000)
    ratio = np.float64(LOG_DENSITY(q, z)) - np.float64(LOG_DENSITY(p, z))
    assert np.all(np.abs(ratio.mean(0) - KL(q, p)) < 5 * ratio.std(0) / np.sqrt(len(ratio)))


def test_implicit_gradients_are_the_derivatives_of_the_moments(key):
    """d/da E[z] = 1 / b, d/da E[ln z] = trigamma(a), d/db E[z] = -a / b^2."""

    def moments(a, b):
        z = Gamma(a, b).sample(key, 20_000)
        return z.mean(0).sum(), jnp.log(z).mean(0).sum()

    a, b = jnp.float32([0.3, 2.0, 40.0]), jnp.float32([1.0, 0.5, 3.0])
    mean, (log_mean, _) = jax.jit(jax.jacrev(moments, argnums=(0, 1)))(a, b)
    np.testing.assert_allclose(mean[0], 1 / np.float64(b), rtol=0.05)
    np.testing.assert_allclose(mean[1], -np.float64(a) / np.float64(b) ** 2, rtol=0.05)
    np.testing.assert_allclose(log_mean, special.polygamma(1, np.float64(a)), rtol=0.05)


def test_log_weights_are_constant_under_the_exact_posterior_and_path_gradients_vanish():
    """z ~ Gamma(2, 1), x | z ~ Exp(rate z), x = 0.5: the posterior is Gamma(3, 1.5), log p(x) = -0.5232481."""
    prior = Gamma(jnp.float32([2.0]), jnp.float32([1.0]))

    def log_weight(q, stop):
        z = q.sample(jax.random.key(0), 100)
        density = jax.lax.stop_gradient(q) if stop else q
        return (jnp.log(z) - 0.5 * z)[:, 0] + prior.log_prob(z) - density.log_prob(z)

    q = Gamma(jnp.float32([3.0]), jnp.float32([1.5]))
    np.testing.assert_allclose(jax.jit(log_weight, static_argnums=1)(q, False), -0.5232481, atol=5e-6)
    slopes = jax.jit(jax.jacfwd(lambda q: log_weight(q, True)))(q)
    assert all(np.abs(leaf).max() < 2e-5 for leaf in jax.tree.leaves(slopes))


def test_values_and_gradients_are_finite_from_small_to_large_shapes(posterior, key):
    def total(q, p):
        z = q.sample(key, 50)
        return z.sum() + q.log_prob(z).sum() + p.log_prob(z).sum() + kl_gamma_gamma(q, p).sum()

    prior = Gamma(jnp.ones(8), jnp.ones(8))
    value, gradient = jax.jit(jax.value_and_grad(total, argnums=(0, 1)))(posterior, prior)
    assert np.isfinite(value) and all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


def test_mode_has_the_highest_density(posterior):
    mode = jax.jit(Gamma.mode)(posterior)
    np.testing.assert_allclose(mode, np.maximum(CONCENTRATION - 1, 0) / RATE, rtol=1e-6)
    beside = jnp.stack([mode * 0.99, mode * 1.01 + 1e-6])
    assert np.all(LOG_DENSITY(posterior, mode) >= LOG_DENSITY(posterior, beside).max(0))


def test_axes_types_and_refusals(posterior, key):
    prior = Gamma(jnp.ones(8), jnp.ones(8))
    shape = jax.eval_shape
    assert shape(lambda p, k: p.sample(k), prior, key).shape == (8,)
    assert shape(lambda p, k: p.sample(k, 3), prior, key).shape == (3, 8)
    z = SAMPLE(posterior, key, num_samples=3)
    assert z.shape == (3, 1, 8) and prior.log_prob(z).shape == (3, 1)
    mapped = jax.jit(jax.vmap(Gamma.log_prob, in_axes=(0, 1), out_axes=1))(posterior, z)
    np.testing.assert_allclose(mapped, posterior.log_prob(z), rtol=1e-6)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), posterior)
    assert SAMPLE(half, jax.random.key(1)).dtype == jnp.bfloat16
    assert LOG_DENSITY(half, z).dtype == KL(half, prior).dtype == jnp.float32
    with pytest.raises(ValueError, match="does not fit"):
        prior.log_prob(jnp.ones((3, 1)))
