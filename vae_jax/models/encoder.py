"""The encoder: stride-2 convolutions down to the bottleneck, then one linear layer each for mean and log variance."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from vae_jax.models import layers


class Down(nn.Module):
    """Stride-2 convolution, norm, activation: [B, H, W, I] -> [B, ceil(H / 2), ceil(W / 2), features]."""

    features: int
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = layers.Convolution(self.features, stride=2, precision=self.style.precision, name="conv")(x)
        return layers.normalise_and_activate(x, self.style)


class Encoder(nn.Module):
    """Images [B, H, W, C] to mean and log variance of the latents, each [B, latent_dim], float32.

    Attributes:
        latent_dim: D.
        hidden_dims: channels of each level; a level halves height and width, rounding up.
        style: norm, activation, precision, mode.
    """

    latent_dim: int
    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        for level, features in enumerate(self.hidden_dims):
            x = Down(features, self.style, name=f"down_{level}")(x)
        x = x.reshape(x.shape[0], -1)
        mean = layers.Dense(self.latent_dim, self.style.precision, name="mean")(x)
        logvar = layers.Dense(self.latent_dim, self.style.precision, name="logvar")(x)
        return mean.astype(jnp.float32), logvar.astype(jnp.float32)
