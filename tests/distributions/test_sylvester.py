"""The Sylvester transform against numpy's matrices, and against the planar transform that it generalises."""

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax.distributions.planar import Planar
from vae_jax.distributions.sylvester import Sylvester

RNG = np.random.default_rng(0)


def test_transform_is_the_matrix_formula_with_an_orthonormal_frame():
    reflections, outer, inner, bias = (np.float32(RNG.normal(size=size)) for size in ((3, 5), (2, 2), (2, 2), (2,)))
    frame = np.eye(5)
    for v in np.float64(reflections):
        frame = frame @ (np.eye(5) - 2 * np.outer(v, v) / (v @ v))
    frame = frame[:, :2]
    np.testing.assert_allclose(frame.T @ frame, np.eye(2), atol=1e-12)
    upper = [np.triu(m, 1) + np.diag(np.tanh(np.diag(m))) for m in np.float64([outer, inner])]
    z = np.float32(RNG.normal(size=(7, 5)))
    expected = z + np.tanh(z @ frame @ upper[1].T + bias) @ upper[0].T @ frame.T
    image, _ = jax.jit(Sylvester.forward)(Sylvester(reflections, outer, inner, bias), z)
    np.testing.assert_allclose(image, expected, atol=1e-5)


def test_one_unit_is_a_planar_transform():
    normal = np.float32([[1.0, -2.0, 0.5]])
    transform = Sylvester(normal, np.float32([[0.8]]), np.float32([[-0.6]]), np.float32([0.2]))
    axis = np.eye(3)[0] - 2 * normal[0] * normal[0, 0] / np.sum(normal**2)
    outer, inner = np.tanh(0.8), np.tanh(-0.6)
    # The planar u whose constrained form is outer * axis: softplus(w . u) - 1 = w . u_hat = outer * inner.
    along = np.log(np.expm1(1 + outer * inner)) / inner
    planar = Planar(np.float32(along * axis), np.float32(inner * axis), jnp.float32(0.2))
    z = np.float32(RNG.normal(size=(7, 3)))
    for got, expected in zip(transform.forward(z), planar.forward(z), strict=True):
        np.testing.assert_allclose(got, expected, atol=2e-6)


def test_zero_outer_matrix_is_the_identity():
    transform = Sylvester(jnp.ones((3, 1, 4)), jnp.zeros((3, 2, 2)), jnp.ones((3, 2, 2)), jnp.ones((3, 2)))
    z = jnp.float32(RNG.normal(size=(3, 4)))
    image, log_det = transform.forward(z)
    np.testing.assert_array_equal(image, z)
    np.testing.assert_array_equal(log_det, 0.0)
