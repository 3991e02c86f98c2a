"""The networks: the only package that imports flax.linen."""

from vae_jax.models.decoder import Decoder
from vae_jax.models.encoder import Encoder
from vae_jax.models.mlp import MLP, set_output_bias
from vae_jax.models.overview import num_values, parameter_table
from vae_jax.models.readjust import readjust
from vae_jax.models.vae import VAE, apply_objective, init

__all__ = [
    "MLP",
    "VAE",
    "Decoder",
    "Encoder",
    "apply_objective",
    "init",
    "num_values",
    "parameter_table",
    "readjust",
    "set_output_bias",
]
