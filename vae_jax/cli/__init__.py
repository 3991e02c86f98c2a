"""What is done with a trained run, a room a mode: from its directory, files written there, and said where."""

import importlib
from typing import Any

from vae_jax.cli.options import Options

MODES = ("sample", "reconstruct", "interpolate", "traverse", "arithmetic", "evaluate", "encode", "report", "compare")

__all__ = ["MODES", "Options", "run"]


def run(mode: str, path: str, options: Options) -> Any:
    """Run one of MODES on the run in `path`; nothing that another mode needs is imported."""
    return importlib.import_module(f"vae_jax.cli.{mode}").run(path, options)
