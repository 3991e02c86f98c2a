"""The networks: towers, heads and critics, and the VAE that is composed of them.

This is the only room that imports flax.linen. Nothing here draws noise or computes a loss. `training`, `inference` and
`evaluation` call a model through `apply` and `apply_objective`, which are pure functions; `config.build` makes a model
from a configuration.
"""

from vae_jax.models.binding import apply, apply_objective, collections_of, init
from vae_jax.models.critic import CodeCritic
from vae_jax.models.heads import HEADS
from vae_jax.models.output_bias import set_output_bias
from vae_jax.models.overview import num_values, parameter_table
from vae_jax.models.readjust import readjust
from vae_jax.models.towers import TOWERS
from vae_jax.models.vae import VAE

__all__ = [
    "HEADS",
    "TOWERS",
    "VAE",
    "CodeCritic",
    "apply",
    "apply_objective",
    "collections_of",
    "init",
    "num_values",
    "parameter_table",
    "readjust",
    "set_output_bias",
]
