"""The distribution of a deterministic code, which has no density.

Autoencoders without noise, such as WAE with deterministic codes, use it as their posterior.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.distributions.shapes import with_samples


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Delta:
    """A distribution whose whole mass is at one value; it has no density, so it has no `log_prob` and no KL.

    Attributes:
        value: the codes, [B, ...].
    """

    value: Float[Array, "B ..."]

    def sample(self, key: jax.Array, num_samples: int | None = None) -> Float[Array, "..."]:
        """Return the value [B, ...], or the same value `num_samples` times. The key is not used."""
        del key
        return jnp.broadcast_to(self.value, with_samples(jnp.shape(self.value), num_samples))

    def mode(self) -> Float[Array, "B ..."]:
        """Return the value, [B, ...]."""
        return self.value
