"""The convolutional tower of an encoder, and the encoder that puts a head on any tower."""

from typing import Any

import jax
from flax import linen as nn

from vae_jax.models import layers


class Down(nn.Module):
    """Stride-2 convolution, norm, activation: [B, H, W, I] -> [B, ceil(H / 2), ceil(W / 2), features]."""

    features: int
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the next level's map."""
        x = layers.Convolution(self.features, stride=2, precision=self.style.precision, name="conv")(x)
        return layers.normalise_and_activate(x, self.style)


class ConvEncoder(nn.Module):
    """Images [B, H, W, C] -> the map of the last level, [B, h, w, hidden_dims[-1]].

    Attributes:
        hidden_dims: channels of each level; a level halves height and width, rounding up.
        style: norm, activation, precision, mode.
    """

    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the features of images."""
        for level, features in enumerate(self.hidden_dims):
            x = Down(features, self.style, name=f"down_{level}")(x)
        return x


class Encoder(nn.Module):
    """A tower with a head: images [B, H, W, C] -> the distribution of their latents.

    The parameters of both lie side by side under "encoder", so a tower has no layer of its own called "mean" or
    "logvar", which are the heads' names.

    Attributes:
        tower: images -> features [B, ...].
        head: features -> a distribution; see `heads`.
    """

    tower: nn.Module
    head: nn.Module

    def setup(self):
        """Let tower and head keep their parameters in the encoder's own scope."""
        nn.share_scope(self, self.tower)
        nn.share_scope(self, self.head)

    def __call__(self, x: jax.Array) -> Any:
        """Return q(z|x)."""
        return self.head(self.tower(x))
