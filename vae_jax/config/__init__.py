"""A run's configuration: its rules, its JSON, upgrades of older runs, the comparison on resume, and what it builds.

The fields and their defaults are in `configs/base.py`; the command line is read in `vae_jax/cli/`.
"""

# ruff: noqa: D102 - ml_collections documents the methods.

from typing import TYPE_CHECKING, Any, Self

from ml_collections import config_dict

if TYPE_CHECKING:

    class Config(config_dict.ConfigDict):
        """A ConfigDict for the type checker: ml_collections declares every field a union of all kinds of values."""

        def __getattr__(self, attribute: str) -> Any: ...
        def __getitem__(self, key: str) -> Any: ...
        def copy_and_resolve_references(self, visit_map: dict[int, Any] | None = None) -> Self: ...
        def lock(self) -> Self: ...
        def unlock(self) -> Self: ...

else:
    Config = config_dict.ConfigDict

__all__ = ["Config"]
