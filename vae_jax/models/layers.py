"""The layers of the networks: linear layers, convolutions, activations, and PyTorch's initial values.

The towers, the heads and the critic use these layers. Images are [B, H, W, C]. Parameters are float32 for every
precision, and the initial values have the distribution of PyTorch's defaults. The arithmetic of convolutions is in
`convolution`, and BatchNorm is in `normalisation`.
"""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from vae_jax.models import convolution, normalisation

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "leaky_relu": functools.partial(jax.nn.leaky_relu, negative_slope=0.01),
    "relu": jax.nn.relu,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
    "elu": jax.nn.elu,
}

# name -> dtype of the activations, precision of the products
PRECISIONS = {
    "float32": (jnp.float32, lax.Precision.HIGHEST),
    "tf32": (jnp.float32, lax.Precision.DEFAULT),
    "bfloat16": (jnp.bfloat16, lax.Precision.DEFAULT),
}


@dataclasses.dataclass(frozen=True)
class Style:
    """The choices that all blocks of a network share.

    Attributes:
        norm: one of `normalisation.NORMS`.
        activation: a key of `ACTIVATIONS`.
        precision: a key of `PRECISIONS`.
        training: whether BatchNorm uses the batch's own statistics and updates the running statistics.
        axis_name: the mapped axis (pmap, vmap) over which BatchNorm's statistics are taken as well.
    """

    norm: str = "batch"
    activation: str = "leaky_relu"
    precision: str = "float32"
    training: bool = False
    axis_name: str | None = None


def uniform(fan_in: int) -> jax.nn.initializers.Initializer:
    """Return PyTorch's default initialiser of weights and biases, U(-b, b) with b = 1 / sqrt(fan_in)."""
    bound = 1.0 / math.sqrt(fan_in)

    def initialise(key: jax.Array, shape: Any, dtype: Any = jnp.float32, out_sharding: Any = None) -> jax.Array:
        # The values are drawn as a vector, because XLA takes about ten times as long to compile a draw of four axes.
        return jax.random.uniform(key, (math.prod(shape),), dtype, -bound, bound).reshape(shape)

    return initialise


class Dense(nn.Module):
    """A linear layer y = x @ kernel + bias, [B, I] -> [B, features].

    Attributes:
        features: channels of the result.
        precision: a key of `PRECISIONS`.
        kernel_init: initialiser of the kernel [I, features]; None is PyTorch's default.
        bias_init: initialiser of the bias [features]; None is PyTorch's default.
    """

    features: int
    precision: str = "float32"
    kernel_init: jax.nn.initializers.Initializer | None = None
    bias_init: jax.nn.initializers.Initializer | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B I"]) -> Float[Array, "B O"]:
        """Return y, [B, features]."""
        dtype, precision = PRECISIONS[self.precision]
        fan_in = x.shape[-1]
        kernel = self.param("kernel", self.kernel_init or uniform(fan_in), (fan_in, self.features))
        bias = self.param("bias", self.bias_init or uniform(fan_in), (self.features,))
        y = jnp.dot(x.astype(dtype), kernel.astype(dtype), precision=precision)
        return y + normalisation.along_channels(bias.astype(dtype), y.ndim)


class Convolution(nn.Module):
    """A 3x3 convolution with padding 1, [B, H, W, I] -> [B, ceil(H / stride), ceil(W / stride), features].

    The layer is PyTorch's Conv2d(I, features, 3, stride, 1). The padding "SAME" would be another function: for even
    sizes it pads 0 before and 1 after the image. The kernel is [3, 3, I, features].

    Attributes:
        features: channels of the result.
        stride: of rows and columns.
        precision: a key of `PRECISIONS`.
    """

    features: int
    stride: int = 1
    precision: str = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "B H W I"]) -> Float[Array, "B h w O"]:
        """Return the convolution of x."""
        dtype, precision = PRECISIONS[self.precision]
        channels = x.shape[-1]
        fan_in = 9 * channels
        kernel = self.param("kernel", uniform(fan_in), (3, 3, channels, self.features))
        bias = self.param("bias", uniform(fan_in), (self.features,))
        strides = (self.stride, self.stride)
        y = convolution.convolve(x.astype(dtype), kernel.astype(dtype), strides, precision)
        return y + normalisation.along_channels(bias.astype(dtype), y.ndim)


class TransposedConvolution(nn.Module):
    """A 3x3 transposed convolution with stride 2 and padding 1, [B, h, w, I] -> [B, *size, features].

    The layer is PyTorch's ConvTranspose2d(I, features, 3, 2, 1, output_padding), the adjoint of a stride-2
    `Convolution` of an image of `size`. A side n of x becomes 2n (output_padding 1) or 2n - 1 (output_padding 0). The
    kernel is [3, 3, features, I]. As in PyTorch, the fan-in of the initial values is computed from the number of output
    channels.

    Attributes:
        features: channels of the result.
        size: (height, width) of the result.
        precision: a key of `PRECISIONS`.

    Raises:
        ValueError: a side of `size` is not 2n or 2n - 1.
    """

    features: int
    size: tuple[int, int]
    precision: str = "float32"

    @nn.compact
    def __call__(self, x: Float[Array, "B h w I"]) -> Float[Array, "B H W O"]:
        """Return the transposed convolution of x."""
        dtype, precision = PRECISIONS[self.precision]
        output_padding = [out - (2 * n - 1) for out, n in zip(self.size, x.shape[1:3], strict=True)]
        if not set(output_padding) <= {0, 1}:
            raise ValueError(f"a stride-2 transposed convolution cannot take {x.shape[1:3]} to {self.size}")
        fan_in = 9 * self.features
        kernel = self.param("kernel", uniform(fan_in), (3, 3, self.features, x.shape[-1]))
        bias = self.param("bias", uniform(fan_in), (self.features,))
        y = convolution.convolve_transposed(x.astype(dtype), kernel.astype(dtype), self.size, precision)
        return y + normalisation.along_channels(bias.astype(dtype), y.ndim)


def normalise_and_activate(x: Float[Array, "*N C"], style: Style) -> Float[Array, "*N C"]:
    """Return x after the style's norm and activation.

    The function must be called in the `__call__` of a block, of which the norm becomes the submodule "norm".
    """
    if style.norm == "batch":
        x = normalisation.BatchNorm(style.training, axis_name=style.axis_name, name="norm")(x)
    elif style.norm == "group":
        norm = nn.GroupNorm(
            normalisation.num_groups(x.shape[-1]), epsilon=1e-5, use_fast_variance=False, dtype=jnp.float32, name="norm"
        )
        x = norm(x).astype(x.dtype)
    return ACTIVATIONS[style.activation](x)
