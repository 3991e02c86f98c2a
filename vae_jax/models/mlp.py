"""The VAE of plain perceptrons, for images whose pixels have fixed places, such as MNIST's."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from vae_jax.models import layers, vae

MEAN_RANGE = (0.001, 0.999)  # of a pixel, so that its logit is finite


class Perceptron(nn.Module):
    """Hidden layers [B, I] -> [B, hidden_dims[-1]]: linear, norm, activation."""

    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for index, features in enumerate(self.hidden_dims):
            x = Hidden(features, self.style, name=f"hidden_{index}")(x)
        return x


class Hidden(nn.Module):
    """Linear layer, norm, activation: [B, I] -> [B, features]."""

    features: int
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = _glorot_dense(self.features, self.style, "linear")(x)
        return layers.normalise_and_activate(x, self.style)


class PerceptronEncoder(nn.Module):
    """Images [B, H, W, C] to mean and log variance of the latents, each [B, latent_dim], float32."""

    latent_dim: int
    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = Perceptron(self.hidden_dims, self.style, name="hidden")(x.reshape(x.shape[0], -1))
        mean = _glorot_dense(self.latent_dim, self.style, "mean")(x)
        logvar = _glorot_dense(self.latent_dim, self.style, "logvar")(x)
        return mean.astype(jnp.float32), logvar.astype(jnp.float32)


class PerceptronDecoder(nn.Module):
    """Latents [B, D] to the likelihood's raw parameters [B, *image_size, channels], linear and float32."""

    image_size: tuple[int, int]
    channels: int
    hidden_dims: tuple[int, ...]
    style: layers.Style = layers.Style()

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        x = Perceptron(tuple(reversed(self.hidden_dims)), self.style, name="hidden")(z)
        x = _glorot_dense(math.prod(self.image_size) * self.channels, self.style, "output")(x)
        return x.reshape(x.shape[0], *self.image_size, self.channels).astype(jnp.float32)


class MLP(vae.VAE):
    """A VAE of perceptrons: H W C - hidden_dims - D and back; the defaults are the one-layer network of the IWAE paper.

    Attributes, contract and likelihoods are `VAE`'s; `hidden_dims` are the encoder's widths, the decoder's are the
    same in reverse. Weights start Glorot-uniform and biases at zero; `set_output_bias` starts the output at the mean
    image.

    Reference: Burda, Grosse and Salakhutdinov, 2016, arXiv 1509.00519.
    """

    latent_dim: int = 50
    hidden_dims: tuple[int, ...] = (200, 200)
    norm: str = "none"
    activation: str = "tanh"

    @nn.nowrap
    def networks(self, style: layers.Style, channels: int) -> tuple[nn.Module, nn.Module]:
        size = self.image_shape[:2]
        return (
            PerceptronEncoder(self.latent_dim, self.hidden_dims, style),
            PerceptronDecoder(size, channels, self.hidden_dims, style),
        )


def set_output_bias(model: nn.Module, variables: Mapping[str, Any], images: np.ndarray) -> Mapping[str, Any]:
    """Set the bias of a Bernoulli MLP's output to the logit of the mean image; other models are left as they are.

    Args:
        model: any model.
        variables: its fresh variables, {"params": ...}.
        images: training images, uint8 [N, H, W, C].
    """
    if not isinstance(model, MLP) or model.likelihood != "bernoulli":
        return variables
    mean = np.clip(np.mean(images, axis=0, dtype=np.float64) / 255.0, *MEAN_RANGE)
    bias = jnp.asarray(np.log(mean / (1.0 - mean)).reshape(-1), jnp.float32)
    params = variables["params"]
    decoder = {**params["decoder"], "output": {**params["decoder"]["output"], "bias": bias}}
    return {**variables, "params": {**params, "decoder": decoder}}


def _glorot_dense(features: int, style: layers.Style, name: str) -> layers.Dense:
    initialisers = {"kernel_init": nn.initializers.glorot_uniform(), "bias_init": nn.initializers.zeros}
    return layers.Dense(features, style.precision, **initialisers, name=name)
