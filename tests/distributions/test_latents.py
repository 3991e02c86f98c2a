"""What an objective reads of a vae's latents, for vaes of several kinds, against the same by hand."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vae_jax import distributions, errors
from vae_jax.distributions import Delta, Gaussian, Latents, Mixture

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 2, 1, 1)).astype(np.float32)
PRIOR = Gaussian(np.float32([0.5, -1.0]), np.float32([0.3, 1.2]))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Stub:
    """encode and decode alone: q(z|x) = N(a x + 0.1, exp(logvar))."""

    slope: Any = 0.7
    logvar: Any = -0.5

    def encode(self, x):
        mean = self.slope * x.reshape(len(x), 2) + 0.1
        return Gaussian(mean, jnp.broadcast_to(self.logvar, mean.shape))

    def decode(self, z):
        return z.reshape(*z.shape, 1, 1)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class WithPrior(Stub):
    def prior(self):
        return PRIOR


class Deterministic(Stub):
    def encode(self, x):
        return Delta(x.reshape(len(x), 2))


class WithMixture(Stub):
    def prior(self):
        return Mixture(
            np.float32([0.0, 1.0]), Gaussian(np.float32([[0.0, 0.0], [2.0, 2.0]]), np.zeros((2, 2), np.float32))
        )


def scipys(gaussian, z):
    scale = np.exp(0.5 * np.asarray(gaussian.logvar, np.float64))
    return stats.norm.logpdf(np.asarray(z, np.float64), np.asarray(gaussian.mean, np.float64), scale).sum(-1)


def closed_kl(q, p):
    """KL of Gaussians in the textbook's form, float64."""
    q_var, p_var = (np.exp(np.asarray(g.logvar, np.float64)) for g in (q, p))
    square = np.square(np.asarray(q.mean, np.float64) - np.asarray(p.mean, np.float64))
    return 0.5 * (np.log(p_var / q_var) + (q_var + square) / p_var - 1)


@pytest.mark.parametrize("num_samples", [None, 3])
@pytest.mark.parametrize("vae", [Stub(), WithPrior()])
def test_a_draw_joins_the_posterior_and_the_prior(vae, num_samples, key):
    latents = distributions.draw(vae, X, jax.random.clone(key), num_samples)
    posterior = vae.encode(X)
    prior = PRIOR if isinstance(vae, WithPrior) else Gaussian(np.zeros(2), np.zeros(2))
    lead = () if num_samples is None else (num_samples,)
    assert latents.z.shape == (*lead, 5, 2)
    np.testing.assert_array_equal(latents.z, posterior.sample(key, num_samples))
    np.testing.assert_allclose(latents.log_q, scipys(posterior, latents.z), rtol=1e-5)
    np.testing.assert_allclose(latents.log_p, scipys(prior, latents.z), rtol=1e-5)
    np.testing.assert_allclose(latents.kl, closed_kl(posterior, prior), rtol=1e-5)
    assert latents.terms == {} and isinstance(latents.posterior, Gaussian)


@pytest.mark.parametrize("num_samples", [None, 4])
def test_a_prior_without_a_closed_form_is_compared_by_samples(num_samples, key):
    latents = distributions.draw(WithMixture(), X, key, num_samples)
    ratio = np.asarray(latents.log_q - latents.log_p).reshape(-1, 5)
    assert latents.kl.shape == (5, 1)
    np.testing.assert_allclose(latents.kl[:, 0], ratio.mean(0), rtol=1e-5)


def test_a_deterministic_code_has_neither_density_nor_kl(key):
    latents = distributions.draw(Deterministic(), X, key, 3)
    np.testing.assert_array_equal(latents.z, np.broadcast_to(X.reshape(5, 2), (3, 5, 2)))
    assert (latents.log_q, latents.log_p, latents.kl) == (None, None, None)


def test_a_vaes_own_draw_prior_code_and_generate_are_used(key):
    own = Latents(jnp.ones((5, 2)), None, None, None, {"commitment": jnp.ones(5)})

    class Own(Stub):
        def draw(self, x, key, num_samples, path):
            assert (num_samples, path) == (7, True)
            return own

        def code(self, x):
            return x.reshape(len(x), -1) * 3

        def generate(self, key, num, temperature):
            return jnp.full((num, 2), temperature)

    assert distributions.draw(Own(), X, key, 7, path=True) is own
    np.testing.assert_array_equal(distributions.code(Own(), X), X.reshape(5, 2) * 3)
    np.testing.assert_array_equal(distributions.generate(Own(), key, 4, 0.5), np.full((4, 2), 0.5, np.float32))


def test_a_code_is_the_mode_flattened():
    np.testing.assert_allclose(distributions.code(Stub(), X), 0.7 * X.reshape(5, 2) + 0.1, rtol=1e-6)

    class Levels(Stub):
        def encode(self, x):
            class Tree:
                def mode(self):
                    return {"bottom": x, "top": x[:, :1, 0, 0]}

            return Tree()

    code = distributions.code(Levels(), X)
    np.testing.assert_array_equal(code, np.concatenate([X.reshape(5, 2), X[:, :1, 0, 0]], axis=1))


def test_latents_are_generated_from_the_prior_at_a_temperature(key):
    plain = distributions.generate(WithPrior(), jax.random.clone(key), 4)
    np.testing.assert_array_equal(plain, PRIOR.sample(jax.random.clone(key), 4))
    cold = distributions.generate(WithPrior(), key, 4, 0.25)
    centred, cold_centred = (np.asarray(z) - PRIOR.mean for z in (plain, cold))
    np.testing.assert_allclose(cold_centred, 0.25 * centred, rtol=1e-5, atol=1e-6)
    assert distributions.tempered(PRIOR, 1) is PRIOR
    with pytest.raises(errors.OutOfRange, match="Delta.*leave the temperature at 1"):
        distributions.tempered(Delta(jnp.zeros(2)), 0.5)


def noise_of(vae, latents):
    posterior = vae.encode(X)
    return (np.asarray(latents.z) - np.asarray(posterior.mean)) / np.exp(0.5 * np.asarray(posterior.logvar))


@pytest.mark.parametrize("cls", [Stub, WithPrior])
@pytest.mark.parametrize("num_samples", [None, 3])
def test_along_the_path_values_stay_and_gradients_are_those_of_z_alone(cls, num_samples, key):
    """With z = m + s noise, d/dz log q = -noise / s and d/dz log p = -(z - m_p) / v_p: chained by hand."""
    vae = cls(jnp.float32(0.7), jnp.float32(-0.5))

    @jax.jit
    def plain(vae, key):
        return distributions.draw(vae, X, key, num_samples)

    @jax.jit
    def along(vae, key):
        latents = distributions.draw(vae, X, key, num_samples, path=True)
        return latents.kl.sum(), latents

    latents = plain(vae, jax.random.clone(key))
    gradient, landed = jax.grad(along, has_aux=True)(vae, key)
    for name in ("z", "log_q", "log_p", "kl"):
        np.testing.assert_allclose(getattr(landed, name), getattr(latents, name), rtol=1e-6)
    noise, z = (np.asarray(a, np.float64).reshape(-1, 5, 2) for a in (noise_of(vae, latents), latents.z))
    scale = np.exp(-0.25)
    mean_p, var_p = (0.0, 1.0) if cls is Stub else (np.asarray(PRIOR.mean), np.exp(np.asarray(PRIOR.logvar)))
    by_z = -noise / scale + (z - mean_p) / var_p
    expected_slope = (by_z * X.reshape(5, 2)).sum((1, 2)).mean()
    expected_logvar = (by_z * 0.5 * scale * noise).sum((1, 2)).mean()
    assert float(gradient.slope) == pytest.approx(expected_slope, rel=1e-4)
    assert float(gradient.logvar) == pytest.approx(expected_logvar, rel=1e-4)


def test_the_path_has_no_score_whose_mean_is_zero(key):
    """d E[log q(z)] / d parameters differs from its path by the score, whose mean is 0 and whose spread is not."""

    def score(vae, key):
        held = distributions.draw(vae, X, key, path=True).log_q.sum()
        return distributions.draw(vae, X, jax.random.clone(key)).log_q.sum() - held

    vae = Stub(jnp.float32(0.7), jnp.float32(-0.5))
    draws = jax.jit(jax.vmap(jax.grad(score), in_axes=(None, 0)))(vae, jax.random.split(key, 5000))
    for leaf in jax.tree.leaves(draws):
        assert abs(leaf.mean()) < 5 * leaf.std() / np.sqrt(5000)
        assert leaf.std() > 0.1
