"""What holds for every transform: its log determinant is the Jacobian's, its inverse inverts, its flow integrates."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.distributions.transforms import NAMES, normal, transforms
from vae_jax.distributions.flow import Flow, Inverse, Permutation, reverse
from vae_jax.distributions.gaussian import Gaussian


class OneWay:
    """A transform without an inverse."""

    def forward(self, z):
        return z, jnp.zeros(z.shape[:-1])


@functools.cache
def made(batch=(3,), dim=4):
    return transforms(batch, dim)


@jax.jit
def forward_and_back(transform, z):
    image, log_det = transform.forward(z)
    jacobian = jax.jacfwd(lambda z: transform.forward(z)[0])(z[0])  # [B, D, B, D]
    return image, log_det, jacobian, *transform.inverse(image)


@pytest.mark.parametrize("name", NAMES)
def test_inverse_inverts_and_log_determinant_is_that_of_the_jacobian(name):
    z = 1.5 * normal(np.random.default_rng(1), 5, 3, 4)
    image, log_det, jacobian, back, inverse_log_det = forward_and_back(made()[name], z)
    assert image.shape == (5, 3, 4) and log_det.shape == (5, 3)
    np.testing.assert_allclose(back, z, atol=1e-4)
    np.testing.assert_allclose(inverse_log_det, -log_det, atol=2e-4)
    if name != "permutation":
        assert np.abs(image - z).max() > 0.1 and np.abs(log_det).max() > 0.1
    assert all(np.all(jacobian[b, :, c] == 0.0) for b in range(3) for c in range(3) if b != c)
    own = np.float64([jacobian[b, :, b] for b in range(3)])
    np.testing.assert_allclose(log_det[0], np.linalg.slogdet(own)[1], atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_through_the_inverse_are_those_of_the_inverse_function(name):
    """d inverse / d image = (d forward / d z)^-1, and inverse(forward(z)) does not depend on the parameters."""
    transform, z = made()[name], 1.5 * normal(np.random.default_rng(1), 3, 4)
    weights = normal(np.random.default_rng(2), 3, 4)

    def total(transform, z):
        return (transform.inverse(transform.forward(z)[0])[0] * weights).sum()

    slopes, along_z = jax.jit(jax.grad(total, argnums=(0, 1)))(transform, z)
    np.testing.assert_allclose(along_z, weights, atol=2e-3)
    assert all(np.abs(leaf).max() < 5e-3 for leaf in jax.tree.leaves(slopes))


@pytest.mark.parametrize("name", NAMES)
def test_parameters_without_a_batch_axis_make_a_prior(name):
    transform = made(())[name]
    prior = Flow(Gaussian(jnp.zeros(4), jnp.zeros(4)), (transform, reverse(4)))
    z = normal(np.random.default_rng(3), 5, 3, 4)
    log_prob = jax.jit(Flow.log_prob)(prior, z)
    assert log_prob.shape == (5, 3)
    np.testing.assert_allclose(jax.jit(Flow.log_prob)(prior, z[2, 1]), log_prob[2, 1], rtol=1e-4, atol=1e-4)
    assert jax.eval_shape(lambda p, k: p.sample(k), prior, jax.random.key(0)).shape == (4,)
    assert jax.eval_shape(lambda p, k: p.sample(k, 7), prior, jax.random.key(0)).shape == (7, 4)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "permutation"])
def test_density_of_a_flow_integrates_to_one(name):
    """In two dimensions, by a sum over a grid."""
    prior = Flow(Gaussian(jnp.zeros(2), jnp.zeros(2)), (made((), 2)[name],))
    axis = np.linspace(-14.0, 14.0, 561, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    density = np.exp(np.float64(jax.jit(Flow.log_prob)(prior, grid)))
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1.0, abs=0.01)


def test_sample_and_log_prob_agrees_with_the_density_and_with_the_plain_sample():
    q = Flow(
        Gaussian(*normal(np.random.default_rng(4), 2, 3, 4)),
        tuple(made()[name] for name in ("planar", "radial", "permutation", "affine_coupling")),
    )
    both = jax.jit(Flow.sample_and_log_prob, static_argnames=("num_samples", "path"))
    z, log_q = both(q, jax.random.key(0), num_samples=6)
    assert z.shape == (6, 3, 4) and log_q.shape == (6, 3)
    np.testing.assert_allclose(log_q, jax.jit(Flow.log_prob)(q, z), rtol=1e-3, atol=2e-3)
    plain = jax.jit(Flow.sample, static_argnames="num_samples")(q, jax.random.key(0), num_samples=6)
    np.testing.assert_array_equal(plain, z)


@pytest.mark.parametrize("name", ("planar", "masked_affine", "spline_coupling"))
def test_path_gradient_is_the_slope_of_the_density_in_z_times_the_derivative_of_the_sample(name):
    """The slope of log q in z is J^-T d(log q_0 - log det) / dz_0, here by solving with the whole Jacobian."""
    transform = made()[name]
    q = Flow(Gaussian(*normal(np.random.default_rng(4), 2, 3, 4)), (transform,))
    base_z = q.base.sample(jax.random.key(0))

    def density(base_z):
        return (q.base.log_prob(base_z) - transform.forward(base_z)[1]).sum()

    jacobian = jax.jit(jax.jacfwd(lambda z: transform.forward(z)[0]))(base_z).reshape(12, 12)
    slope = np.linalg.solve(np.float64(jacobian).T, np.float64(jax.jit(jax.grad(density))(base_z)).ravel())
    weights = jnp.float32(slope.reshape(3, 4))
    expected = jax.jit(jax.grad(lambda q: (q.sample(jax.random.key(0)) * weights).sum()))(q)
    got = jax.jit(jax.grad(lambda q: q.sample_and_log_prob(jax.random.key(0), path=True)[1].sum()))(q)
    for leaf, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=2e-3, atol=2e-3)


def test_flow_that_ends_at_the_target_has_a_constant_log_weight_and_no_path_gradient():
    """The target is the flow itself with its parameters held: log w = 0 for every sample, and so is the gradient."""
    target = Flow(Gaussian(jnp.zeros((3, 4)), jnp.zeros((3, 4))), (made()["planar"], made()["affine_coupling"]))

    def log_weight(q):
        z, log_q = q.sample_and_log_prob(jax.random.key(0), 20, path=True)
        return target.log_prob(z) - log_q

    np.testing.assert_allclose(jax.jit(log_weight)(target), 0.0, atol=1e-4)
    slopes = jax.jit(jax.grad(lambda q: jnp.square(1.0 + log_weight(q)).sum()))(target)
    assert all(np.abs(leaf).max() < 1e-2 for leaf in jax.tree.leaves(slopes))


def test_flow_without_transforms_is_its_base(key):
    base = Gaussian(*normal(np.random.default_rng(4), 2, 3, 4))
    q = Flow(base, ())
    z, log_q = q.sample_and_log_prob(key, 5)
    np.testing.assert_array_equal(log_q, base.log_prob(z))
    np.testing.assert_array_equal(q.mode(), base.mean)
    np.testing.assert_array_equal(q.tempered(0.5).base.logvar, base.tempered(0.5).logvar)


def test_flow_with_a_transform_that_has_no_inverse_says_what_to_use(key):
    q = Flow(Gaussian(jnp.zeros((3, 4)), jnp.zeros((3, 4))), (OneWay(),))
    z, log_q = q.sample_and_log_prob(key)
    np.testing.assert_array_equal(log_q, q.base.log_prob(z))
    with pytest.raises(ValueError, match="OneWay has no inverse.*use sample_and_log_prob"):
        q.log_prob(z)


def test_permutation_moves_latents_and_refuses_another_number_of_them():
    moved, log_det = Permutation((2, 0, 1)).forward(jnp.float32([[10.0, 11.0, 12.0]]))
    np.testing.assert_array_equal(moved, [[12.0, 10.0, 11.0]])
    np.testing.assert_array_equal(log_det, [0.0])
    np.testing.assert_array_equal(Inverse(Permutation((2, 0, 1))).forward(moved)[0], [[10.0, 11.0, 12.0]])
    with pytest.raises(ValueError, match="not an order of 4 latents"):
        reverse(3).forward(jnp.zeros((1, 4)))


def test_vmap_and_bfloat16_give_the_same_numbers():
    for name in ("planar", "sylvester"):
        transform, z = made()[name], normal(np.random.default_rng(6), 5, 3, 4)
        image, log_det = jax.jit(lambda t, z: t.forward(z))(transform, z)
        mapped = jax.jit(jax.vmap(lambda t, z: t.forward(z), in_axes=(0, 1), out_axes=1))(transform, z)
        np.testing.assert_allclose(mapped[0], image, rtol=1e-5, atol=1e-6)
        half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), transform)
        rough = jax.jit(lambda t, z: t.forward(z))(half, z)
        assert rough[0].dtype == rough[1].dtype == jnp.float32
        np.testing.assert_allclose(rough[1], log_det, atol=0.1)
