"""Heads: features of an encoder's tower -> the distribution of the latents. A latent family has its head here.

`HEADS` is the table of names for `config.model.latents.name`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import linen as nn

from vae_jax.distributions import Delta, Gaussian

# exp(-15) to exp(10) as a standard deviation: wider than any use, narrow enough for finite float32 gradients.
LOGVAR_RANGE = (-30.0, 20.0)

Linear = Callable[..., nn.Module]  # (features, name=...) -> a linear layer [B, F] -> [B, features]


class GaussianHead(nn.Module):
    """Features [B, ...] -> a Gaussian with independent latents [B, latent_dim], float32.

    Attributes:
        latent_dim: D.
        linear: makes the two linear layers, for the mean and for the log variance, which is clipped to LOGVAR_RANGE.
    """

    latent_dim: int
    linear: Linear

    @nn.compact
    def __call__(self, features: jax.Array) -> Gaussian:
        """Return q(z|x)."""
        flat = features.reshape(len(features), -1)
        mean = self.linear(self.latent_dim, name="mean")(flat).astype(jnp.float32)
        logvar = self.linear(self.latent_dim, name="logvar")(flat).astype(jnp.float32)
        return Gaussian(mean, jnp.clip(logvar, *LOGVAR_RANGE))


class DeltaHead(nn.Module):
    """Features [B, ...] -> a deterministic code [B, latent_dim], float32.

    Attributes:
        latent_dim: D.
        linear: makes the linear layer.
    """

    latent_dim: int
    linear: Linear

    @nn.compact
    def __call__(self, features: jax.Array) -> Delta:
        """Return the code as a distribution without noise."""
        return Delta(self.linear(self.latent_dim, name="mean")(features.reshape(len(features), -1)).astype(jnp.float32))


HEADS: dict[str, Callable[..., nn.Module]] = {"gaussian": GaussianHead, "deterministic": DeltaHead}
