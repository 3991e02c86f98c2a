"""A code without noise."""

import dataclasses

import jax
import jax.numpy as jnp

from vae_jax.distributions.shapes import with_samples


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Delta:
    """All mass at `value` [B, ...]: a deterministic code, which has no density, hence no `log_prob` and no KL."""

    value: jax.Array

    def sample(self, key: jax.Array, num_samples: int | None = None) -> jax.Array:
        """Return the value [B, ...], or the same value `num_samples` times. The key is not used."""
        del key
        return jnp.broadcast_to(self.value, with_samples(jnp.shape(self.value), num_samples))

    def mode(self) -> jax.Array:
        """Return the value."""
        return self.value
