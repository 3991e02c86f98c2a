"""Planar and radial transforms: known values, the constraint, the identity, extreme parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax.distributions.planar import Planar, Radial, solve_tanh_equation

Z = jnp.float32([[0.3, -0.2]])


def test_planar_has_the_known_values_where_the_raw_vector_would_fold_space():
    image, log_det = Planar(jnp.float32([[-2.0, 0.4]]), jnp.float32([[1.0, 0.5]]), jnp.float32([0.1])).forward(Z)
    np.testing.assert_allclose(image, [[-0.0605337, 0.0275708]], atol=1e-6)
    np.testing.assert_allclose(log_det, [-1.4922839], atol=2e-6)


def test_radial_has_the_known_values():
    image, log_det = Radial(jnp.float32([[0.0, 0.5]]), jnp.float32([0.2]), jnp.float32([-1.0])).forward(Z)
    np.testing.assert_allclose(image, [[0.2067374, 0.0176127]], atol=1e-6)
    np.testing.assert_allclose(log_det, [-0.5455932], atol=2e-6)


def test_both_are_the_identity_where_they_say_so():
    w = jnp.float32([[1.0, -2.0]])
    for transform in (
        Planar(np.log(np.expm1(1.0)) * w / 5.0, w, jnp.float32([0.3])),
        Radial(jnp.float32([[0.5, 0.5]]), jnp.float32([0.7]), jnp.float32([0.7])),
    ):
        image, log_det = transform.forward(Z)
        np.testing.assert_allclose(image, Z, atol=1e-6)
        np.testing.assert_allclose(log_det, 0.0, atol=1e-6)


@pytest.mark.parametrize("size", (1e-3, 1.0, 30.0))
def test_values_and_gradients_are_finite_for_parameters_of_any_size(size):
    rng = np.random.default_rng(0)
    u, w, z = size * jnp.float32(rng.normal(size=(3, 64, 5)))
    raw = size * jnp.float32(rng.normal(size=(2, 64)))

    def total(transform):
        image, log_det = transform.forward(z)
        back, _ = transform.inverse(image)
        return image.sum() + log_det.sum() + back.sum()

    for transform in (Planar(u, w, raw[0]), Radial(z.at[:32].set(u[:32]), *raw)):  # half the centres are at z itself
        value, gradient = jax.jit(jax.value_and_grad(total))(transform)
        assert np.isfinite(value) and all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(gradient))


def test_scalar_equation_is_solved_also_where_its_slope_is_small():
    rng = np.random.default_rng(1)
    slope, bias, target = np.float32(rng.normal(size=(3, 500)) * 3)
    gain = np.float32(rng.uniform(-0.999, 5.0, size=500)) / np.where(np.abs(slope) < 0.1, 0.1, slope)
    gain = np.float32(np.where(gain * slope > -0.999, gain, 0.0))
    root = np.float64(jax.jit(solve_tanh_equation)(gain, slope, bias, target))
    np.testing.assert_allclose(root + gain * np.tanh(slope * root + bias), target, atol=2e-5)


def test_shapes_that_do_not_fit_are_refused():
    planar = Planar(jnp.zeros((3, 2)), jnp.ones((3, 2)), jnp.zeros(3))
    with pytest.raises(ValueError, match="does not fit"):
        planar.forward(jnp.zeros((4, 2)))
    with pytest.raises(ValueError, match="does not fit"):
        planar.forward(jnp.zeros(2))
