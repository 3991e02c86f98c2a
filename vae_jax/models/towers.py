"""The table of towers: for each name the encoder's tower, the decoder's, and the linear layer of heads beside them.

A tower is a plain linen module: images [B, H, W, C] -> features [B, ...] in the encoder, latents z -> the likelihood's
raw parameters [B, H, W, channels] in the decoder. A new tower is one line here.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from flax import linen as nn

from vae_jax.models import layers, mlp
from vae_jax.models.decoder import ConvDecoder
from vae_jax.models.encoder import ConvEncoder


class Tower(NamedTuple):
    """How a kind of network is made.

    Attributes:
        encoder: (hidden_dims, style) -> a module, images -> features.
        decoder: (image_size, channels, hidden_dims, style) -> a module, z -> [B, *image_size, channels].
        linear: (style) -> what makes the linear layers of a head: (features, name=...) -> a module.
    """

    encoder: Callable[[tuple[int, ...], layers.Style], nn.Module]
    decoder: Callable[[tuple[int, int], int, tuple[int, ...], layers.Style], nn.Module]
    linear: Callable[[layers.Style], Callable[..., nn.Module]]


def _linear(style: layers.Style) -> Callable[..., nn.Module]:
    return functools.partial(layers.Dense, precision=style.precision)


def _glorot_linear(style: layers.Style) -> Callable[..., nn.Module]:
    return functools.partial(mlp.glorot_dense, precision=style.precision)


TOWERS = {
    "conv": Tower(ConvEncoder, ConvDecoder, _linear),
    "mlp": Tower(mlp.PerceptronEncoder, mlp.PerceptronDecoder, _glorot_linear),
}
