"""The convolutional tower of an encoder, and the encoder that joins a tower and a head.

The heads are in `heads`, the perceptron's towers in `mlp`, and `towers` offers all towers by name.
"""

from typing import Any

from flax import linen as nn
from jaxtyping import Array, Float

from vae_jax.models import layers


class Down(nn.Module):
    """A level of the encoder: stride-2 convolution, norm and activation, which halve height and width, rounding up.

    Attributes:
        features: channels of the result.
        style: norm, activation, precision, mode.
    """

    features: int
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B h w c"]:
        """Return the map of the next level, [B, ceil(H / 2), ceil(W / 2), features]."""
        x = layers.Convolution(self.features, stride=2, precision=self.style.precision, name="conv")(x)
        return layers.normalise_and_activate(x, self.style)


class ConvEncoder(nn.Module):
    """A convolutional tower, from images [B, H, W, C] to the map of the last level [B, h, w, hidden_dims[-1]].

    Attributes:
        hidden_dims: channels of each level; a level halves height and width, rounding up.
        style: norm, activation, precision, mode.
    """

    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B h w c"]:
        """Return the features of images, [B, h, w, hidden_dims[-1]]."""
        for level, features in enumerate(self.hidden_dims):
            x = Down(features, self.style, name=f"down_{level}")(x)
        return x


class Encoder(nn.Module):
    """A tower with a head, from images [B, H, W, C] to the distribution of their latents.

    The parameters of the tower and of the head share the scope "encoder". A tower must therefore have no layer with the
    name "mean" or "logvar", which the heads use.

    Attributes:
        tower: images -> features [B, ...].
        head: features -> a distribution; see `heads`.
    """

    tower: nn.Module
    head: nn.Module

    def setup(self):
        """Put the parameters of the tower and of the head into the encoder's own scope."""
        nn.share_scope(self, self.tower)
        nn.share_scope(self, self.head)

    def __call__(self, x: Float[Array, "B H W C"]) -> Any:
        """Return q(z|x), a distribution."""
        return self.head(self.tower(x))
