"""Networks of one's own: how a plain linen module is called, whatever it calls its training mode."""

import inspect
from typing import Any

import jax
from flax import linen as nn

# What a module's call may name its mode, and the argument's value in training.
MODE_ARGUMENTS = {"training": True, "train": True, "is_training": True, "deterministic": False}


def call(module: nn.Module, x: jax.Array, *, training: bool) -> Any:
    """Return module(x), told whether this is training if the module's `__call__` has an argument of that kind."""
    parameters = inspect.signature(type(module).__call__).parameters
    mode = {name: value == training for name, value in MODE_ARGUMENTS.items() if name in parameters}
    return module(x, **mode)
