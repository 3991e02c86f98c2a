"""The sphere's distributions against scipy's Bessel functions and densities in float64, and quadrature."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from vae_jax.distributions import bessel, sphere_angle
from vae_jax.distributions.von_mises_fisher import (
    HypersphericalUniform,
    VonMisesFisher,
    kl_von_mises_fisher_uniform,
    log_sphere_area,
)

DIMS = (2, 3, 10, 100)
CONCENTRATIONS = np.float32([1e-2, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5])
NODES, WEIGHTS = np.polynomial.legendre.leggauss(200)
SAMPLE = jax.jit(VonMisesFisher.sample, static_argnames="num_samples")
LOG_PROB, KL = jax.jit(VonMisesFisher.log_prob), jax.jit(kl_von_mises_fisher_uniform)


def make(dim, concentration, seed=0):
    """One distribution for each concentration, with random directions."""
    direction = np.random.default_rng(seed).normal(size=(len(concentration), dim))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    return VonMisesFisher(jnp.float32(direction), jnp.float32(concentration)[:, None])


def exact(dim, k):
    """A, ln E exp(k (cosine - 1)), the KL and its derivative, in float64."""
    k, order = np.float64(k), dim / 2 - 1
    ratio = special.ive(order + 1, k) / special.ive(order, k)
    log_mean_exp = np.log(special.ive(order, k)) + special.gammaln(order + 1) - order * np.log(k / 2)
    return ratio, log_mean_exp, k * (ratio - 1) - log_mean_exp, k * (1 - ratio**2) - (dim - 1) * ratio


def angle_density(angle, dim, k):
    return np.exp(-k * (1 - np.cos(angle))) * np.sin(angle) ** (dim - 2)


@pytest.mark.parametrize("dim", DIMS)
def test_bessel_functions_agree_with_scipy(dim):
    ratio, log_mean_exp, kl, _ = exact(dim, CONCENTRATIONS)
    value, complement = jax.jit(functools.partial(bessel.mean_cosine, dim))(CONCENTRATIONS)
    np.testing.assert_allclose(value, ratio, rtol=5e-7)
    np.testing.assert_allclose(complement, 1 - ratio, rtol=3e-5)
    np.testing.assert_allclose(jax.jit(functools.partial(bessel.log_mean_exp, dim))(CONCENTRATIONS), log_mean_exp, 3e-6)
    q = make(dim, CONCENTRATIONS)
    np.testing.assert_allclose(KL(q, HypersphericalUniform(dim))[:, 0], kl, rtol=1e-3, atol=2e-4)
    np.testing.assert_allclose(jax.jit(VonMisesFisher.entropy)(q), log_sphere_area(dim) - kl, atol=3e-4)


@pytest.mark.parametrize(
    ("dim", "kl"),
    [
        (3, [0.001665002, 0.1515959, 1.9957323, 4.2983174, 6.6009025]),
        (10, [4.999375e-4, 0.0493848, 2.4844696, 11.3502162, 21.5689565]),
        (50, [9.999942e-5, 0.0099942, 0.9466486, 23.5707184, 74.8148081]),
    ],
)
def test_kl_has_the_values_of_multiple_precision_arithmetic(dim, kl):
    q = make(dim, np.float32([0.1, 1.0, 10.0, 100.0, 1000.0]))
    np.testing.assert_allclose(KL(q, HypersphericalUniform(dim))[:, 0], kl, rtol=4e-4)


@pytest.mark.parametrize("dim", DIMS)
def test_gradient_of_the_kl_is_the_concentration_times_the_slope_of_the_ratio(dim):
    q = make(dim, CONCENTRATIONS)
    gradient = jax.jit(jax.grad(lambda q: kl_von_mises_fisher_uniform(q, HypersphericalUniform(dim)).sum()))(q)
    np.testing.assert_allclose(gradient.concentration[:, 0], exact(dim, CONCENTRATIONS)[3], rtol=1e-4)


@pytest.mark.parametrize("dim", (2, 3, 10))
def test_log_prob_agrees_with_scipy(dim):
    k = CONCENTRATIONS[:6]
    q = make(dim, k)
    z = SAMPLE(q, jax.random.key(1), num_samples=4)
    for i in range(len(k)):
        expected = stats.vonmises_fisher(np.float64(q.direction[i]), k[i]).logpdf(np.float64(z[:, i]))
        np.testing.assert_allclose(LOG_PROB(q, z)[:, i], expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("k", (1e-2, 10.0, 1e5))
def test_density_integrates_to_one_over_the_sphere(dim, k):
    far = min(math.pi, (6 + math.sqrt(dim)) * 1.5 / math.sqrt(k))
    angle = 0.5 * far * (NODES + 1)
    axes = np.eye(dim)
    z = np.cos(angle)[:, None] * axes[0] + np.sin(angle)[:, None] * axes[1]
    density = LOG_PROB(VonMisesFisher(jnp.float32(axes[0]), jnp.float32([k])), jnp.float32(z))
    log_ring = log_sphere_area(dim - 1) + (dim - 2) * np.log(np.sin(angle))
    assert 0.5 * far * np.sum(WEIGHTS * np.exp(np.float64(density) + log_ring)) == pytest.approx(1.0, abs=2e-4)


@pytest.mark.parametrize("dim", DIMS)
def test_samples_follow_the_density(dim, key):
    q = make(dim, CONCENTRATIONS)
    z = np.float64(SAMPLE(q, key, num_samples=4000))
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), 1.0, atol=1e-6)
    chord = np.linalg.norm(z - np.float64(q.direction), axis=-1)
    angles = 2 * np.arcsin(np.minimum(0.5 * chord, 1.0))
    for k, angle in zip(CONCENTRATIONS, angles.T, strict=True):
        grid = np.linspace(0.0, min(math.pi, 2 * angle.max()), 20_001)
        mass = integrate.cumulative_simpson(angle_density(grid, dim, np.float64(k)), x=grid, initial=0.0)
        assert stats.kstest(angle, lambda a, g=grid, m=mass: np.interp(a, g, m / m[-1])).pvalue > 1e-3, k


def test_samples_have_the_mean_and_the_covariance_of_the_distribution(key):
    q = make(3, np.float32([2.0, 50.0]))
    z = np.float64(SAMPLE(q, key, num_samples=40_000))
    ratio = exact(3, np.float64([2.0, 50.0]))[0]
    for i, k in enumerate((2.0, 50.0)):
        direction = np.float64(q.direction[i])
        across = (1 - ratio[i] / k * 2 - ratio[i] ** 2) * np.outer(direction, direction)  # E cos^2 = 1 - 2 A / k
        along = ratio[i] / k * (np.eye(3) - np.outer(direction, direction))
        np.testing.assert_allclose(z[:, i].mean(0), ratio[i] * direction, atol=5 / math.sqrt(40_000))
        np.testing.assert_allclose(np.cov(z[:, i].T), across + along, atol=5 / math.sqrt(40_000))


def test_kl_is_the_mean_log_ratio_of_samples(key):
    q, p = make(10, CONCENTRATIONS), HypersphericalUniform(10)
    z = SAMPLE(q, key, num_samples=4000)
    ratio = np.float64(LOG_PROB(q, z)) - np.float64(p.log_prob(z))
    error = ratio.std(0) / math.sqrt(len(ratio)) + 1e-6
    assert np.all(np.abs(ratio.mean(0) - KL(q, p)[:, 0]) < 5 * error)


def mass_and_slope(start, stop, dim, k, unit):
    """The integrals of the density and of its derivative in k from start to stop, in units of the density at `unit`."""
    angle, weights = start + 0.5 * (stop - start) * (NODES + 1), 0.5 * (stop - start) * WEIGHTS
    density = angle_density(angle, dim, k) / angle_density(unit, dim, k)
    return weights @ density, weights @ (density * (np.cos(angle) - 1))


@pytest.mark.parametrize("dim", DIMS)
def test_derivative_of_a_sample_is_the_derivative_of_the_quantile(dim):
    derivative = jax.jit(jax.vmap(jax.grad(functools.partial(sphere_angle._implicit, dim), argnums=1)))
    for k in np.float32([0.1, 10.0, 1e5]):
        scale = min(math.sqrt((dim - 1) / k), math.pi / 2)
        angles = np.float32([0.3, 1.0, 1.5]) * np.float32(scale)
        for angle, slope in zip(np.float64(angles), derivative(angles, np.full(3, k)), strict=True):
            below, below_slope = mass_and_slope(0.0, angle, dim, np.float64(k), angle)
            above, above_slope = mass_and_slope(angle, min(math.pi, 15 * scale), dim, np.float64(k), angle)
            # The distribution function is below / (below + above); the density at the angle is the unit.
            expected = -(below_slope * above - below * above_slope) / (below + above)
            assert slope == pytest.approx(expected, rel=1e-3)


def test_mean_gradient_of_the_cosine_and_of_its_square_are_the_derivatives_of_the_moments(key):
    direction = jnp.float32([[0.6, 0.0, -0.8]])

    def moments(k):
        cosine = VonMisesFisher(direction, k[None, None]).sample(key, 20_000) @ direction[0]
        return jnp.stack([cosine.mean(), jnp.square(cosine).mean()])

    np.testing.assert_allclose(jax.jit(jax.jacfwd(moments))(jnp.float32(1.0)), [0.2759383, 0.0742], atol=0.008)


def test_gradient_with_respect_to_the_direction_turns_the_samples(key):
    """d/dt E[z] = A d direction/dt, on both sides of the reflection's branch and at the first axis itself."""
    start = np.float32([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [1e-4, 1.0, 0.0], [-1e-4, 0.6, 0.8]])
    start /= np.linalg.norm(start, axis=-1, keepdims=True)
    turn = np.float32(np.cross(start, [0.48, 0.6, 0.64]))

    def mean(t):
        return VonMisesFisher(jnp.cos(t) * start + jnp.sin(t) * turn, jnp.full((4, 1), 5.0)).sample(key, 10_000).mean(0)

    np.testing.assert_allclose(jax.jit(jax.jacfwd(mean))(jnp.float32(0.0)), exact(3, 5.0)[0] * turn, atol=0.03)


@pytest.mark.parametrize("dim", (2, 100))
def test_values_and_gradients_are_finite_over_the_whole_range(dim, key):
    p = HypersphericalUniform(dim)

    def total(q):
        z = q.sample(key, 64)
        far = q.log_prob(-q.direction)  # the density of a concentrated distribution underflows there
        return jnp.cos(z).sum() + q.log_prob(z).sum() + far.sum() + kl_von_mises_fisher_uniform(q, p).sum()

    value, gradient = jax.jit(jax.value_and_grad(total))(make(dim, np.float32(np.logspace(-2, 5, 29))))
    assert np.isfinite(value) and all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


def test_without_a_batch_axis_and_under_vmap_the_numbers_are_the_same(key):
    q = make(4, np.float32([3.0, 30.0]))
    z = SAMPLE(q, key, num_samples=5)
    one = jax.tree.map(lambda leaf: leaf[1], q)
    assert SAMPLE(one, jax.random.key(1)).shape == (4,)
    assert jax.eval_shape(lambda q, key: q.sample(key, 7), one, jax.random.key(2)).shape == (7, 4)
    np.testing.assert_allclose(LOG_PROB(one, z[:, 1]), LOG_PROB(q, z)[:, 1], rtol=1e-6)
    mapped = jax.jit(jax.vmap(VonMisesFisher.log_prob, in_axes=(0, 1), out_axes=1))(q, z)
    np.testing.assert_allclose(mapped, LOG_PROB(q, z), rtol=1e-6)
    keys = jax.random.split(jax.random.key(3), 2)
    assert jax.eval_shape(jax.vmap(lambda q, key: q.sample(key, 3)), q, keys).shape == (2, 3, 4)
    np.testing.assert_array_equal(q.mode(), q.direction)


def test_bfloat16_parameters_give_bfloat16_samples_and_float32_densities(key):
    q = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), make(4, np.float32([3.0])))
    z = SAMPLE(q, key, num_samples=2)
    assert z.dtype == jnp.bfloat16 and LOG_PROB(q, z).dtype == jnp.float32
    np.testing.assert_allclose(np.linalg.norm(np.float32(z), axis=-1), 1.0, atol=0.02)
    assert kl_von_mises_fisher_uniform(q, HypersphericalUniform(4)).dtype == jnp.float32


def test_uniform_distribution_has_the_area_of_the_sphere(key):
    for dim, expected in ((2, 1.8378771), (3, 2.5310242), (10, 3.2387428), (50, -25.4733351)):
        p = HypersphericalUniform(dim)
        np.testing.assert_allclose(p.log_prob(jnp.ones((3, 2, dim))), np.full((3, 2), -expected), rtol=1e-6)
        np.testing.assert_allclose(p.entropy(), expected, rtol=1e-6)
        assert p.mode().shape == (dim,) and np.linalg.norm(p.mode()) == 1.0
    z = np.float64(HypersphericalUniform(3).sample(key, 4000))
    np.testing.assert_allclose(np.linalg.norm(z, axis=-1), 1.0, rtol=1e-6)
    assert all(stats.kstest(axis, stats.uniform(-1, 2).cdf).pvalue > 1e-3 for axis in z.T)  # Archimedes
    assert HypersphericalUniform(5).sample(jax.random.key(1)).shape == (5,)


def test_shapes_that_do_not_fit_are_refused():
    q = make(3, np.float32([1.0, 2.0]))
    with pytest.raises(ValueError, match="does not fit"):
        q.log_prob(jnp.ones((2, 4)))
    with pytest.raises(ValueError, match="does not fit"):
        q.log_prob(jnp.ones(3))
    with pytest.raises(ValueError, match="sphere in 4 dimensions met vectors of 3"):
        kl_von_mises_fisher_uniform(q, HypersphericalUniform(4))
