"""The convolutional tower of a decoder.

It has a linear layer to the bottleneck, and then one level for each level of the encoder, which restores the size of
the encoder's map. The encoder's tower is in `encoder`; `towers` offers both by name.
"""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from vae_jax.models import layers


def level_sizes(size: tuple[int, int], num_levels: int) -> list[tuple[int, int]]:
    """Return the sizes of an image before the first stride-2 level and after each level.

    Args:
        size: (H, W) of the image.
        num_levels: number of levels.

    Returns:
        (height, width) of each map, num_levels + 1 of them.
    """
    sizes = [tuple(size)]
    for _ in range(num_levels):
        sizes.append(tuple((n + 1) // 2 for n in sizes[-1]))
    return sizes


class Up(nn.Module):
    """A level of the decoder: transposed convolution, norm and activation, [B, h, w, I] -> [B, *size, features].

    Attributes:
        features: channels of the result.
        size: (height, width) of the result.
        style: norm, activation, precision, mode.
    """

    features: int
    size: tuple[int, int]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B h w c"]:
        """Return the map of the next level, [B, *size, features]."""
        x = layers.TransposedConvolution(self.features, self.size, self.style.precision, name="conv")(x)
        return layers.normalise_and_activate(x, self.style)


class ConvDecoder(nn.Module):
    """A convolutional decoder, from latents [B, D] to the likelihood's raw parameters [B, *image_size, channels].

    Attributes:
        image_size: (H, W) of the output.
        channels: number of output channels, which the likelihood needs.
        hidden_dims: channels of each level of the encoder, in the encoder's order.
        style: norm, activation, precision, mode.
    """

    image_size: tuple[int, int]
    channels: int
    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, z: Float[Array, "B D"]) -> Float[Array, "B H W C"]:
        """Return the raw parameters of p(x|z), float32 [B, *image_size, channels]."""
        *sizes, (height, width) = level_sizes(self.image_size, len(self.hidden_dims))
        bottleneck = (height, width, self.hidden_dims[-1])
        x = layers.Dense(height * width * self.hidden_dims[-1], self.style.precision, name="input")(z)
        x = x.reshape(x.shape[0], *bottleneck)
        # The last level has the channels of the encoder's first level, which the output convolution reads.
        widths = (*reversed(self.hidden_dims[:-1]), self.hidden_dims[0])
        for level, (features, size) in enumerate(zip(widths, reversed(sizes), strict=True)):
            x = Up(features, size, self.style, name=f"up_{level}")(x)
        x = layers.Convolution(self.channels, precision=self.style.precision, name="output")(x)
        return x.astype(jnp.float32)
