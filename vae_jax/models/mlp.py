"""The towers of plain perceptrons, for images whose pixels have fixed places, such as MNIST's.

Weights start Glorot-uniform and biases at zero, as in the one-layer network of the IWAE paper (Burda, Grosse and
Salakhutdinov, 2016, arXiv 1509.00519), whose widths are hidden_dims = (200, 200) with tanh and no norm.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from vae_jax.models import layers


class Hidden(nn.Module):
    """Linear layer, norm, activation: [B, I] -> [B, features]."""

    features: int
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the layer's activations."""
        x = glorot_dense(self.features, self.style.precision, "linear")(x)
        return layers.normalise_and_activate(x, self.style)


class Perceptron(nn.Module):
    """Hidden layers: [B, I] -> [B, hidden_dims[-1]]."""

    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the last layer's activations."""
        for index, features in enumerate(self.hidden_dims):
            x = Hidden(features, self.style, name=f"hidden_{index}")(x)
        return x


class PerceptronEncoder(nn.Module):
    """Images [B, H, W, C] -> features [B, hidden_dims[-1]]."""

    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Return the features of images."""
        return Perceptron(self.hidden_dims, self.style, name="hidden")(x.reshape(x.shape[0], -1))


class PerceptronDecoder(nn.Module):
    """Latents [B, D] -> the likelihood's raw parameters [B, *image_size, channels], linear and float32.

    Attributes:
        image_size: (H, W) of the output.
        channels: number of output channels, the likelihood's.
        hidden_dims: the encoder's widths, in the encoder's order.
        style: norm, activation, precision, mode.
    """

    image_size: tuple[int, int]
    channels: int
    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """Return the raw parameters of p(x|z)."""
        x = Perceptron(tuple(reversed(self.hidden_dims)), self.style, name="hidden")(z)
        x = glorot_dense(math.prod(self.image_size) * self.channels, self.style.precision, "output")(x)
        return x.reshape(x.shape[0], *self.image_size, self.channels).astype(jnp.float32)


def glorot_dense(features: int, precision: str, name: str) -> layers.Dense:
    """Return a linear layer whose weights start Glorot-uniform and whose biases start at zero."""
    initialisers = {"kernel_init": nn.initializers.glorot_uniform(), "bias_init": nn.initializers.zeros}
    return layers.Dense(features, precision, **initialisers, name=name)
