"""Variational autoencoders in JAX, with losses that are pure functions and runs that resume exactly.

This file lists the public names: the functions that users call most, and the rooms of the package. A name is imported
when it is first used, so that `import vae_jax` is fast.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "train": "vae_jax.training.loop",
    "restore": "vae_jax.runs.restore",
    "sample": "vae_jax.inference.sampling",
    "reconstruct": "vae_jax.inference.sampling",
    "interpolate": "vae_jax.inference.sampling",
    "encode": "vae_jax.inference.sampling",
    "evaluate": "vae_jax.evaluation.sections",
    "score": "vae_jax.inference.scores",
    "from_pytorch": "vae_jax.interop",
    "to_pytorch": "vae_jax.interop",
}
_ROOMS = ("data", "distributions", "evaluation", "inference", "interop", "losses", "models", "training")

__all__ = ["__version__", *_PUBLIC, *_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _ROOMS:
        return importlib.import_module(f"vae_jax.{name}")
    raise AttributeError(f"module 'vae_jax' has no attribute {name!r}")
