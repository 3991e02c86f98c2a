"""A finite mixture of distributions of one kind, which serves as a prior.

`inference.fitted_priors` fits a mixture to codes after training, and a model may learn one.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vae_jax.random import fold_in_name


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Mixture:
    """The mixture of M components with the density sum_m w_m p_m(z).

    Attributes:
        log_weights: ln w_m up to a constant, [M]; the methods normalise the weights.
        components: a distribution whose batch axis counts the M components.
    """

    log_weights: Float[Array, " M"]
    components: Any

    def sample(self, key: jax.Array, num_samples: int | None = None) -> Float[Array, "..."]:
        """Return one sample [...], or [num_samples, ...]; there is no gradient to the weights."""
        num = 1 if num_samples is None else num_samples
        chosen = jax.random.categorical(fold_in_name(key, "component"), self.log_weights, shape=(num,))
        z = jax.tree.map(lambda leaf: leaf[chosen], self.components).sample(fold_in_name(key, "noise"))
        return z[0] if num_samples is None else z

    def log_prob(self, z: Float[Array, "..."]) -> Float[Array, "*S"]:
        """Return the log density of z [*S, ...] in nats, [*S], where [...] is the shape of a component's sample."""
        own = jnp.ndim(self.components.mode()) - 1
        apart = jnp.expand_dims(z, jnp.ndim(z) - own)
        spread = (*apart.shape[: apart.ndim - own - 1], len(self.log_weights), *apart.shape[apart.ndim - own :])
        each = self.components.log_prob(jnp.broadcast_to(apart, spread))  # [*S, M]
        log_weights = jnp.broadcast_to(jax.nn.log_softmax(self.log_weights), each.shape)
        return jax.nn.logsumexp(log_weights + each, axis=-1)

    def mode(self) -> Float[Array, "..."]:
        """Return the mode of the component with the largest weight, which need not be the mode of the mixture."""
        return self.components.mode()[jnp.argmax(self.log_weights)]

    def tempered(self, temperature: float) -> "Mixture":
        """Return the mixture whose components have their noise multiplied by `temperature`."""
        return Mixture(self.log_weights, self.components.tempered(temperature))
