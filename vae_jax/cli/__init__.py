"""The command line: it turns words into a mode and its options, and each mode's file does the mode's work on a run.

What a mode computes and draws is not here: it is in `inference`, `evaluation` and `report`.
"""

import importlib
from typing import Any

from vae_jax.cli.options import MODES, Options

__all__ = ["MODES", "Options", "run"]


def run(mode: str, path: str, options: Options) -> Any:
    """Run one of MODES on the run in the directory `path`; only what the mode needs is imported."""
    return importlib.import_module(f"vae_jax.cli.{mode}").run(path, options)
