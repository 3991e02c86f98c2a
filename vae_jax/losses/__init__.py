"""Losses in nats per image: array functions (reconstruction, rate, penalties) and the objectives made of them."""

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
