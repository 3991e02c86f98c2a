"""A finite mixture of distributions of one kind, as a prior: fitted to codes after training, or learned."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from vae_jax.random import fold_in_name


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Mixture:
    """sum_m w_m p_m(z).

    Attributes:
        log_weights: ln w, [M]; normalised here, so that any logits will do.
        components: a distribution whose batch axis [M, ...] counts the components.
    """

    log_weights: jax.Array
    components: Any

    def sample(self, key: jax.Array, num_samples: int | None = None) -> jax.Array:
        """Return one sample [...], or [num_samples, ...]; no gradient flows to the weights."""
        num = 1 if num_samples is None else num_samples
        chosen = jax.random.categorical(fold_in_name(key, "component"), self.log_weights, shape=(num,))
        z = jax.tree.map(lambda leaf: leaf[chosen], self.components).sample(fold_in_name(key, "noise"))
        return z[0] if num_samples is None else z

    def log_prob(self, z: jax.Array) -> jax.Array:
        """Return log sum_m w_m p_m(z) of z [*S, ...] for components of samples [...]: [*S] nats."""
        own = jnp.ndim(self.components.mode()) - 1
        apart = jnp.expand_dims(z, jnp.ndim(z) - own)
        spread = (*apart.shape[: apart.ndim - own - 1], len(self.log_weights), *apart.shape[apart.ndim - own :])
        each = self.components.log_prob(jnp.broadcast_to(apart, spread))  # [*S, M]
        log_weights = jnp.broadcast_to(jax.nn.log_softmax(self.log_weights), each.shape)
        return jax.nn.logsumexp(log_weights + each, axis=-1)

    def mode(self) -> jax.Array:
        """Return the mode of the component with the largest weight, which need not be the mixture's."""
        return self.components.mode()[jnp.argmax(self.log_weights)]

    def tempered(self, temperature: float) -> "Mixture":
        """Return the mixture of the components, each narrowed or widened around its own centre."""
        return Mixture(self.log_weights, self.components.tempered(temperature))
