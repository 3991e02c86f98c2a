"""Couplings are the identity at initialisation and bounded; splines have known values and agree with scipy's slopes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.distributions.transforms import normal, shaken
from vae_jax.distributions import spline
from vae_jax.distributions.couplings import AffineCoupling, SplineCoupling, init_affine_coupling, init_spline_coupling
from vae_jax.distributions.flow import Flow
from vae_jax.distributions.gaussian import Gaussian

RNG = np.random.default_rng(0)
HIDDEN = (8, 8)


@pytest.mark.parametrize("swap", (False, True))
def test_a_prior_of_couplings_at_initialisation_is_its_base(swap):
    base = Gaussian(jnp.zeros(5), jnp.zeros(5))
    affine = AffineCoupling(init_affine_coupling(jax.random.key(0), 5, HIDDEN, swap=swap), swap=swap)
    splined = SplineCoupling(init_spline_coupling(jax.random.key(1), 5, HIDDEN, swap=swap), swap=swap)
    z = 2.0 * normal(RNG, 50, 5)
    log_prob = jax.jit(Flow.log_prob)(Flow(base, (affine, splined)), z)
    np.testing.assert_allclose(log_prob, base.log_prob(z), atol=2e-5)


@pytest.mark.parametrize("swap", (False, True))
def test_one_half_stays_and_the_other_moves(swap):
    z = normal(RNG, 3, 5)
    kept = slice(2, None) if swap else slice(None, 2)
    moved = slice(None, 2) if swap else slice(2, None)
    for kind, init in ((AffineCoupling, init_affine_coupling), (SplineCoupling, init_spline_coupling)):
        params = shaken(RNG, init(jax.random.key(0), 5, HIDDEN, 2, swap))
        image, _ = jax.jit(kind.forward)(kind(params, normal(RNG, 3, 2), swap), z)
        np.testing.assert_array_equal(image[:, kept], z[:, kept])
        assert np.all(image[:, moved] != z[:, moved])


def test_affine_log_scale_is_bounded():
    params = shaken(RNG, init_affine_coupling(jax.random.key(0), 4, HIDDEN), 100.0)
    _, log_det = AffineCoupling(params).forward(normal(RNG, 20, 4))
    assert np.all(np.abs(log_det) <= 4.0) and np.abs(log_det).max() > 3.9


def test_a_coupling_of_one_latent_is_refused():
    with pytest.raises(ValueError, match="needs 2 latents or more, not 1"):
        init_affine_coupling(jax.random.key(0), 1)


def test_spline_has_the_known_values():
    x, y, slopes = (jnp.float32([row]) for row in ([-1.0, 0.0, 1.0], [-1.0, 0.5, 1.0], [1.0, 1.0, 1.0]))
    knots = spline.Knots(*(jnp.broadcast_to(row, (3, 3)) for row in (x, y, slopes)))
    image, log_slope = spline.forward(jnp.float32([-0.5, 0.25, 1.5]), knots)
    np.testing.assert_allclose(image, [-0.25, 0.6590909, 1.5], rtol=1e-6)
    np.testing.assert_allclose(log_slope, [0.5877867, -0.8445468, 0.0], atol=1e-6)


def test_spline_is_increasing_with_the_stated_slopes_and_meets_the_identity_at_its_ends():
    knots = jax.tree.map(lambda leaf: leaf[None], spline.knots(normal(RNG, 14), 3.0))
    x = np.linspace(-4.0, 4.0, 20_001)
    spread = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(x), leaf.shape[-1])), knots)
    y, log_slope = (np.float64(v) for v in jax.jit(spline.forward)(np.float32(x), spread))
    assert np.all(np.diff(y) > 0)
    np.testing.assert_array_equal(y[np.abs(x) > 3.0], np.float32(x)[np.abs(x) > 3.0])
    np.testing.assert_allclose(np.exp(log_slope)[1:-1], np.gradient(y, x)[1:-1], rtol=0.05, atol=0.01)
    np.testing.assert_allclose(np.interp(knots.x[0], x, y), knots.y[0], atol=1e-3)


def test_spline_inverse_is_exact_up_to_its_own_slope_and_finite_for_extreme_knots():
    raw = 4.0 * normal(RNG, 2000, 14)
    x = 2.0 * normal(RNG, 2000)

    @jax.jit
    def there_and_back(raw):
        knots = spline.knots(raw, 5.0)
        y, log_slope = spline.forward(x, knots)
        return spline.inverse(y, knots)[0], log_slope

    back, log_slope = there_and_back(raw)
    assert np.max(np.abs(back - x) * np.minimum(np.exp(np.float64(log_slope)), 1.0)) < 2e-5
    gradient = jax.jit(jax.grad(lambda raw: sum(out.sum() for out in there_and_back(raw))))(raw)
    assert np.all(np.isfinite(gradient))
