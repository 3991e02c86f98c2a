"""The decoder: a linear layer to the bottleneck, then levels that restore the sizes of the encoder's."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from vae_jax.models import layers


def level_sizes(size: tuple[int, int], num_levels: int) -> list[tuple[int, int]]:
    """Return (height, width) before the first stride-2 level and after each: num_levels + 1 sizes."""
    sizes = [tuple(size)]
    for _ in range(num_levels):
        sizes.append(tuple((n + 1) // 2 for n in sizes[-1]))
    return sizes


class Up(nn.Module):
    """Transposed convolution, norm, activation: [B, h, w, I] -> [B, *size, features]."""

    features: int
    size: tuple[int, int]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the next level's map."""
        x = layers.TransposedConvolution(self.features, self.size, self.style.precision, name="conv")(x)
        return layers.normalise_and_activate(x, self.style)


class ConvDecoder(nn.Module):
    """Latents [B, D] to the likelihood's raw parameters [B, *image_size, channels], linear and float32.

    Attributes:
        image_size: (H, W) of the output.
        channels: number of output channels, the likelihood's.
        hidden_dims: the encoder's, in the encoder's order.
        style: norm, activation, precision, mode.
    """

    image_size: tuple[int, int]
    channels: int
    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """Return the raw parameters of p(x|z)."""
        *sizes, (height, width) = level_sizes(self.image_size, len(self.hidden_dims))
        bottleneck = (height, width, self.hidden_dims[-1])
        x = layers.Dense(height * width * self.hidden_dims[-1], self.style.precision, name="input")(z)
        x = x.reshape(x.shape[0], *bottleneck)
        # The last level keeps the first level's channels, so that the output convolution has features to read.
        widths = (*reversed(self.hidden_dims[:-1]), self.hidden_dims[0])
        for level, (features, size) in enumerate(zip(widths, reversed(sizes), strict=True)):
            x = Up(features, size, self.style, name=f"up_{level}")(x)
        x = layers.Convolution(self.channels, precision=self.style.precision, name="output")(x)
        return x.astype(jnp.float32)
