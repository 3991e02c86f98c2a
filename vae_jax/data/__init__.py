"""Data sets: from a named source to uint8 arrays, and from these to batches that are a function of the step.

A user's own images for a trained model are here too (`load_images`). What a model makes of images is not here, and
neither are pictures that are written or drawn.
"""

import importlib

# Imported on first use: a decoding process must not wait for jax, nor `--help` for anything.
_HOMES = {
    "Dataset": ("dataset", "Dataset"),
    "Split": ("dataset", "Split"),
    "Fingerprint": ("fingerprint", "Fingerprint"),
    "cache_root": ("cache", "cache_root"),
    "evaluation_slices": ("batches", "evaluation_slices"),
    "from_arrays": ("in_memory", "from_arrays"),
    "indices": ("batches", "indices"),
    "load_dataset": ("sources", "load"),
    "load_images": ("user_images", "load_images"),
    "prefetch": ("batches", "prefetch"),
    "prepare": ("batches", "prepare"),
    "reconcile": ("fingerprint", "reconcile"),
    "stream_images": ("user_images", "stream_images"),
}

__all__ = sorted(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
