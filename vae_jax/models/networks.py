"""The call of a user's own network, which is any linen module.

Linen modules have different names for the argument that switches training mode. `vae.VAE` calls a user's encoder and
decoder through this file; the project's own towers take the mode from their style.
"""

import inspect
from typing import Any

from flax import linen as nn

# The usual names of the argument that sets the mode, and the value of each argument in training.
MODE_ARGUMENTS = {"training": True, "train": True, "is_training": True, "deterministic": False}


def call(module: nn.Module, x: Any, *, training: bool) -> Any:
    """Return module(x), with the mode as an argument if the module's `__call__` has an argument of MODE_ARGUMENTS."""
    parameters = inspect.signature(type(module).__call__).parameters
    mode = {name: value == training for name, value in MODE_ARGUMENTS.items() if name in parameters}
    return module(x, **mode)
