"""Weights of other libraries: PyTorch-VAE's `VanillaVAE`, in and out.

Checkpoints of this project are in `runs/`.
"""

from vae_jax.interop.pytorch import from_pytorch
from vae_jax.interop.pytorch_export import to_pytorch

__all__ = ["from_pytorch", "to_pytorch"]
