"""The table of towers, by the names that `config.model.tower` takes.

A tower is a linen module. An encoder's tower maps images [B, H, W, C] to features [B, ...]. A decoder's tower maps
latents to the likelihood's raw parameters [B, H, W, channels]. The modules are in `encoder`, `decoder` and `mlp`; a new
kind of network is one line in the table, which `vae.VAE` reads.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

from flax import linen as nn

from vae_jax.models import layers, mlp
from vae_jax.models.decoder import ConvDecoder
from vae_jax.models.encoder import ConvEncoder


class Tower(NamedTuple):
    """The functions that make the modules of one kind of network.

    Attributes:
        encoder: (hidden_dims, style) -> the encoder's tower, a module from images to features.
        decoder: (image_size, channels, hidden_dims, style) -> the decoder's tower, a module from z [B, D] to
            [B, *image_size, channels].
        linear: style -> a function (features, name=...) that makes a linear layer of a head.
    """

    encoder: Callable[[tuple[int, ...], layers.Style], nn.Module]
    decoder: Callable[..., nn.Module]
    linear: Callable[[layers.Style], Callable[..., nn.Module]]


def _linear(style: layers.Style) -> Callable[..., nn.Module]:
    return functools.partial(layers.Dense, precision=style.precision)


def _glorot_linear(style: layers.Style) -> Callable[..., nn.Module]:
    return functools.partial(mlp.glorot_dense, precision=style.precision)


TOWERS = {
    "conv": Tower(ConvEncoder, ConvDecoder, _linear),
    "mlp": Tower(mlp.PerceptronEncoder, mlp.PerceptronDecoder, _glorot_linear),
}
