"""The data room: named sources -> uint8 arrays decoded once -> batches that are a function of the step."""

import importlib

# Imported on first use: a decoding process must not wait for jax, nor `--help` for anything.
_HOMES = {
    "Dataset": ("dataset", "Dataset"),
    "Split": ("dataset", "Split"),
    "load_dataset": ("sources", "load"),
    "evaluation_slices": ("batches", "evaluation_slices"),
    "indices": ("batches", "indices"),
    "prefetch": ("batches", "prefetch"),
    "prepare": ("batches", "prepare"),
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
