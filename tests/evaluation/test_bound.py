"""The importance-weighted bound on x = W z + b + noise, where log p(x) is known."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from vae_jax import distributions
from vae_jax.distributions import Gaussian
from vae_jax.evaluation import bound
from vae_jax.losses import reconstruction

WEIGHT, BIAS, SIGMA = np.float32([[1, 0], [0, 1], [0, 0]]), np.float32([0.1, -0.2, 0.3]), 0.5
X = np.random.default_rng(0).normal(size=(7, 1, 1, 3)).astype(np.float32)
LOG_P = stats.multivariate_normal(BIAS, WEIGHT @ WEIGHT.T + SIGMA**2 * np.eye(3)).logpdf(X.reshape(7, 3))


@dataclasses.dataclass(frozen=True)
class Linear:
    """The posterior is N(0.8 W^T (x - b), 0.2 I), exactly, when `shift` and `widen` are 0."""

    shift: float = 0.0
    widen: float = 0.0

    def encode(self, x):
        mean = 0.8 * (x.reshape(-1, 3) - BIAS[None]) @ WEIGHT + self.shift
        return Gaussian(mean, jnp.full_like(mean, np.log(0.2) + self.widen))

    def decode(self, z):
        return (z @ WEIGHT.T + BIAS[None])[:, None, None, :]


def bounds_of(vae, num_samples, images_per_call=3, samples_per_call=4, batch=7, x=X):
    log_weights = functools.partial(
        bound.log_weights,
        vae,
        reconstruction=functools.partial(reconstruction.gaussian, sigma=SIGMA),
        num_samples=samples_per_call,
    )
    compiled = jax.jit(log_weights)
    inputs = [x[start : start + batch] for start in range(0, len(x), batch)]
    return bound.bounds_of(
        compiled,
        inputs,
        jax.random.key(0),
        num_samples=num_samples,
        images_per_call=images_per_call,
        samples_per_call=samples_per_call,
    )


def bound_of(*args):
    return bounds_of(*args).importance_weighted


@pytest.mark.parametrize("num_samples", [1, 5, 50])
def test_with_the_exact_posterior_it_is_log_p_for_every_k(num_samples):
    both = bounds_of(Linear(), num_samples)
    np.testing.assert_allclose(both.importance_weighted, LOG_P, atol=2e-5)
    np.testing.assert_allclose(both.elbo, LOG_P, atol=2e-5)


def test_the_elbo_is_below_by_the_kl_to_the_posterior():
    """KL(N(m + 0.3, 0.2 e^0.5) || N(m, 0.2)) of two latents."""
    gap = 2 * 0.5 * (np.exp(0.5) - 1 - 0.5 + 0.3**2 / 0.2)
    elbo = bounds_of(Linear(0.3, 0.5), 100, 700, 100, 700, X.repeat(100, axis=0)).elbo
    np.testing.assert_allclose(elbo.mean(), LOG_P.mean() - gap, atol=0.02)


def test_each_image_has_noise_of_its_own():
    values = bound_of(Linear(0.3, 0.5), 1, 3, 4, 7, X[:1].repeat(7, axis=0))
    assert len(np.unique(values.round(6))) == 7


def test_with_another_posterior_it_rises_to_log_p():
    x = X.repeat(100, axis=0)
    bounds = [bound_of(Linear(0.3, 0.5), k, 700, 100, 700, x).mean() for k in (1, 10, 200)]
    assert np.all(np.diff(bounds) > 0.0)
    assert bounds[0] < LOG_P.mean() - 0.1
    assert bounds[-1] == pytest.approx(LOG_P.mean(), abs=0.01)


def test_it_is_the_same_however_the_work_is_cut():
    whole = bound_of(Linear(0.3, 0.5), 11, 7, 11)
    for images_per_call, samples_per_call, batch in ((1, 1, 7), (3, 4, 7), (2, 11, 5)):
        again = bound_of(Linear(0.3, 0.5), 11, images_per_call, samples_per_call, batch)
        np.testing.assert_allclose(again, whole, atol=1e-5)


def test_a_call_holds_no_more_than_memory_is_for():
    assert bound.call_size((8, 8, 1), 100, 64) == (64, 32)
    assert bound.call_size((8, 8, 1), 1, 64) == (64, 1)
    for shape in ((64, 64, 3), (256, 256, 3), (5000, 5000, 3)):
        images, samples = bound.call_size(shape, 5000, 64)
        assert images >= 1 and samples >= 1
        assert images * samples == 1 or images * samples * np.prod(shape) <= bound.PIXELS_PER_CALL


def test_the_standard_error_is_that_of_the_mean():
    values = np.random.default_rng(0).normal(size=400) * 3.0
    assert bound.standard_error(values) == pytest.approx(stats.sem(values))
    assert bound.standard_error(values[:1]) is None


def test_the_implied_sigma_is_the_optimal_one():
    pred = X + np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
    distortion = float(reconstruction.optimal_sigma(pred, X).mean())
    assert bound.implied_sigma(distortion, 3) == pytest.approx(np.sqrt(np.square(pred - X).mean()), rel=1e-5)


class Hierarchy:
    """The same model, with latents that it draws itself: z_0 as above, beside a z_1 that the decoder ignores."""

    def draw(self, x, key, num_samples=None, path=False):
        inner = distributions.draw(Linear(0.3, 0.5), x, key, num_samples, path)
        z1 = jax.random.normal(jax.random.fold_in(key, 1), inner.log_q.shape)
        extra = -0.5 * (jnp.square(z1) + np.log(2 * np.pi))
        return inner._replace(z=(inner.z, z1), log_q=inner.log_q + extra, log_p=inner.log_p + extra, posterior=None)

    def decode(self, z):
        return Linear().decode(z[0])


def test_a_tree_of_latents_without_a_single_posterior_has_the_same_bound():
    np.testing.assert_allclose(bound_of(Hierarchy(), 11), bound_of(Linear(0.3, 0.5), 11), atol=1e-4)
