"""The towers of perceptrons, for small images with objects at fixed positions, such as MNIST's.

Initial weights are Glorot-uniform and initial biases are zero, as in the IWAE paper. Its network with one stochastic
layer has hidden_dims = (200, 200), tanh and no norm. `towers` offers the towers by the name "mlp".

References:
    Burda, Grosse and Salakhutdinov, 2016, arXiv 1509.00519.
"""

import math

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from vae_jax.models import layers


class Hidden(nn.Module):
    """A hidden layer of a perceptron: linear layer, norm and activation, [B, I] -> [B, features].

    Attributes:
        features: width of the layer.
        style: norm, activation, precision, mode.
    """

    features: int
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: Float[Array, "B I"]) -> Float[Array, "B O"]:
        """Return the layer's activations, [B, features]."""
        x = glorot_dense(self.features, self.style.precision, "linear")(x)
        return layers.normalise_and_activate(x, self.style)


class Perceptron(nn.Module):
    """A chain of hidden layers, [B, I] -> [B, hidden_dims[-1]].

    Attributes:
        hidden_dims: width of each layer.
        style: norm, activation, precision, mode.
    """

    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: Float[Array, "B I"]) -> Float[Array, "B O"]:
        """Return the last layer's activations, [B, hidden_dims[-1]]."""
        for index, features in enumerate(self.hidden_dims):
            x = Hidden(features, self.style, name=f"hidden_{index}")(x)
        return x


class PerceptronEncoder(nn.Module):
    """A perceptron tower of an encoder, from images [B, H, W, C] to features [B, hidden_dims[-1]].

    Attributes:
        hidden_dims: width of each layer.
        style: norm, activation, precision, mode.
    """

    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B F"]:
        """Return the features of images, [B, hidden_dims[-1]]."""
        return Perceptron(self.hidden_dims, self.style, name="hidden")(x.reshape(x.shape[0], -1))


class PerceptronDecoder(nn.Module):
    """A perceptron decoder, from latents [B, D] to the likelihood's raw parameters [B, *image_size, channels].

    Attributes:
        image_size: (H, W) of the output.
        channels: number of output channels, which the likelihood needs.
        hidden_dims: widths of the encoder's layers, in the encoder's order.
        style: norm, activation, precision, mode.
    """

    image_size: tuple[int, int]
    channels: int
    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, z: Float[Array, "B D"]) -> Float[Array, "B H W C"]:
        """Return the raw parameters of p(x|z), float32 [B, *image_size, channels]."""
        x = Perceptron(tuple(reversed(self.hidden_dims)), self.style, name="hidden")(z)
        x = glorot_dense(math.prod(self.image_size) * self.channels, self.style.precision, "output")(x)
        return x.reshape(x.shape[0], *self.image_size, self.channels).astype(jnp.float32)


def glorot_dense(features: int, precision: str, name: str) -> layers.Dense:
    """Return a linear layer with Glorot-uniform initial weights and zero initial biases.

    Args:
        features: channels of the result.
        precision: a key of `layers.PRECISIONS`.
        name: name of the layer in the block that calls this function.
    """
    initialisers = {"kernel_init": nn.initializers.glorot_uniform(), "bias_init": nn.initializers.zeros}
    return layers.Dense(features, precision, **initialisers, name=name)
