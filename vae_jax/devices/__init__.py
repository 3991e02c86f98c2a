"""How a computation runs on this machine: the devices, the processes of one run, start-up, the host's memory.

What is computed is not here: the training step is in `training/`, and `models/` chooses how a convolution is computed.
"""

import importlib
from typing import Any

# Imported on first use, because `host_memory` and `startup` are called before jax may be imported.
_HOMES = {
    "AXIS": "mesh",
    "Runner": "runner",
    "check_devices": "runner",
    "cpu_compiler_options": "cpu_compiler",
    "jit_runner": "runner",
    "local": "mesh",
    "make_mesh": "mesh",
    "pmap_runner": "pmap",
    "put": "mesh",
    "put_batch": "mesh",
    "replicate": "mesh",
    "replicated": "mesh",
    "sliced": "pmap",
    "split": "mesh",
}

__all__ = sorted((*_HOMES, "host_memory", "processes", "startup"))  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
