"""The masked network sees what it may and nothing else, and the context reaches every output."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.distributions.transforms import normal, shaken
from vae_jax.distributions.masked_affine import MaskedAffine, init_masked_affine, made_masks

RNG = np.random.default_rng(0)


def test_masks_connect_an_output_to_all_inputs_before_it_and_to_no_other():
    for dim, hidden in ((1, (3,)), (4, (4, 5)), (5, (16, 8, 11))):
        paths = np.eye(dim)
        for mask in made_masks(dim, hidden):
            paths = paths @ mask
        expected = np.tile(np.triu(np.ones((dim, dim)), 1), 2)
        np.testing.assert_array_equal(paths > 0, expected > 0)


def test_jacobian_is_triangular_and_every_output_depends_on_the_context():
    params = shaken(RNG, init_masked_affine(jax.random.key(0), 4, (8, 8), 3))
    context, z = normal(RNG, 1, 3), normal(RNG, 1, 4)

    def image(context, z):
        return MaskedAffine(params, context).forward(z)[0][0]

    along_context, along_z = jax.jit(jax.jacrev(image, argnums=(0, 1)))(context, z)
    np.testing.assert_array_equal(np.triu(along_z[:, 0], 1), 0.0)
    assert np.all(np.tril(along_z[:, 0])[np.tril_indices(4)] != 0.0)
    assert np.all(np.abs(along_context[:, 0]).max(-1) > 1e-3)


def test_at_initialisation_the_log_determinant_is_that_of_the_gate():
    params = init_masked_affine(jax.random.key(0), 4, (8, 8), 3)
    z = normal(RNG, 2, 5, 4)
    image, log_det = MaskedAffine(params, normal(RNG, 5, 3)).forward(z)
    np.testing.assert_allclose(image, z / (1 + np.exp(-2.0)), rtol=1e-6)
    np.testing.assert_allclose(log_det, 4 * -0.1269280, rtol=1e-5)


def test_wrong_parameters_are_refused():
    with pytest.raises(ValueError, match="hidden layers of 4 units or more"):
        init_masked_affine(jax.random.key(0), 4, (8, 3))
    with pytest.raises(ValueError, match="takes a context if"):
        MaskedAffine(init_masked_affine(jax.random.key(0), 4), jnp.zeros((5, 3))).forward(jnp.zeros((5, 4)))
