"""The check of shapes in signatures: it sees a wrong one, and takes what JAX takes."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from jaxtyping import Array, Float

from tests.shapes import checked
from vae_jax.losses import rate


def covariance(z: Float[Array, "B D"], scale: Float[Array, ""] | float = 1.0) -> dict[str, Float[Array, "D D"]]:
    return {"covariance": scale * z.T @ z} if z.shape[0] > 1 else {"covariance": z}


HELD = jaxtyping.jaxtyped(covariance, typechecker=checked)


@pytest.mark.parametrize("z", [jnp.ones((3, 2)), np.ones((3, 2), np.float32)])
@pytest.mark.parametrize("scale", [1.0, 2, jnp.ones(())])
def test_arrays_of_jax_and_numpy_and_plain_numbers_pass(z, scale):
    assert HELD(z, scale)["covariance"].shape == (2, 2)


@pytest.mark.parametrize("wrong", [jnp.ones(3), jnp.ones((3, 2), int), jnp.ones((1, 2)), 1.0])
def test_a_wrong_rank_type_or_result_is_seen(wrong):
    with pytest.raises(jaxtyping.TypeCheckError):
        HELD(wrong)


def test_the_losses_are_held_to_their_shapes_under_jit_too():
    with pytest.raises(jaxtyping.TypeCheckError, match="kl"):
        jax.jit(rate.beta)(jnp.ones(3), 0)
