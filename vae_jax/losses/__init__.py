"""Losses in nats per image: reconstruction functions, rates and penalties, and the objectives that combine them.

Every function here takes arrays or a vae with `encode` and `decode`. Networks, optimisers and configurations are in
other rooms: `config.build` chooses the functions, `training` differentiates the objectives, and `evaluation` uses the
objectives and the bounds to measure a trained model.
"""

from vae_jax.losses import penalties, rate, reconstruction
from vae_jax.losses.objectives import (
    OBJECTIVES,
    ciwae_loss,
    elbo_loss,
    factor_loss,
    iwae_loss,
    miwae_loss,
    piwae_loss,
    wae_loss,
)

__all__ = [
    "OBJECTIVES",
    "ciwae_loss",
    "elbo_loss",
    "factor_loss",
    "iwae_loss",
    "miwae_loss",
    "penalties",
    "piwae_loss",
    "rate",
    "reconstruction",
    "wae_loss",
]
