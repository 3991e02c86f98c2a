"""The heads, which turn the features of an encoder's tower into the distribution of the latents.

Every family of latents has one head here, and `HEADS` is the table of their names for `config.model.latents.name`. The
distributions themselves are in the room `distributions`; `vae.VAE` joins a head with a tower.
"""

from collections.abc import Callable

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from vae_jax.distributions import Delta, Gaussian

# Standard deviations from exp(-15) to exp(10). Gradients are finite in float32 in this range.
LOGVAR_RANGE = (-30.0, 20.0)

Linear = Callable[..., nn.Module]  # (features, name=...) -> a linear layer [B, F] -> [B, features]


class GaussianHead(nn.Module):
    """A head whose latents are Gaussian and independent, with float32 parameters [B, latent_dim].

    The log variance is clipped to LOGVAR_RANGE.

    Attributes:
        latent_dim: D, number of latents.
        linear: (features, name=...) -> a linear layer, called for the mean and for the log variance.
    """

    latent_dim: int
    linear: Linear

    @nn.compact
    def __call__(self, features: Float[Array, "B ..."]) -> Gaussian:
        """Return q(z|x) for features [B, ...]."""
        flat = features.reshape(len(features), -1)
        mean = self.linear(self.latent_dim, name="mean")(flat).astype(jnp.float32)
        logvar = self.linear(self.latent_dim, name="logvar")(flat).astype(jnp.float32)
        return Gaussian(mean, jnp.clip(logvar, *LOGVAR_RANGE))


class DeltaHead(nn.Module):
    """A head whose codes are deterministic, float32 [B, latent_dim].

    Attributes:
        latent_dim: D, number of latents.
        linear: (features, name=...) -> a linear layer.
    """

    latent_dim: int
    linear: Linear

    @nn.compact
    def __call__(self, features: Float[Array, "B ..."]) -> Delta:
        """Return the codes of features [B, ...] as a distribution without noise."""
        return Delta(self.linear(self.latent_dim, name="mean")(features.reshape(len(features), -1)).astype(jnp.float32))


HEADS: dict[str, Callable[..., nn.Module]] = {"gaussian": GaussianHead, "deterministic": DeltaHead}
