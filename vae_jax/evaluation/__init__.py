"""Numbers about a trained model: bounds, reconstructions, collapse, the aggregate posterior, sets of images, factors.

Arrays and a model in, a dict of numbers out. Reading a run, writing evaluation.json and the flags of `--mode evaluate`
are in `cli`, pictures and charts in `report`, and the losses that a model is trained by in `losses`.
"""

import importlib
from typing import Any

# Imported on first use: training needs `elbo` alone, and waits for nothing else.
_HOMES = {
    "Comparison": "image_sets",
    "Features": "features",
    "classifier_features": "features",
    "evaluate": "sections",
    "inception_features": "inception",
    "nearest": "neighbours",
    "own_features": "features",
    "random_features": "features",
    "render": "table",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
