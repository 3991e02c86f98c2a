"""What was given from Python in place of fields of a configuration, recorded by name in `config.given`."""

import dataclasses
import functools
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from vae_jax import errors
from vae_jax.config import Config

UNRECORDED = "unrecorded"  # of runs made before anything was recorded: whatever was given then is accepted again
HOW = {"objective": "objective=", "model": "model=", "images": "images=", "labels": "labels="}


def name_of(value: Any) -> str:
    """Return a name for a function, a module or an array, by which another one is told apart; "" for None."""
    if value is None:
        return ""
    if isinstance(value, functools.partial):
        keywords = ", ".join(f"{name}={name_of(bound)}" for name, bound in sorted(value.keywords.items()))
        return f"{name_of(value.func)}({keywords})"
    if hasattr(value, "__array__"):
        value = np.asarray(value)
        return f"{value.dtype} {list(value.shape)} crc32 {zlib.crc32(np.ascontiguousarray(value).tobytes()):08x}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return f"{_place(type(value))}({_changed_fields(value)})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {name_of(item)}" for name, item in sorted(value.items())) + "}"
    if isinstance(value, tuple | list):
        return "(" + ", ".join(name_of(item) for item in value) + ")"
    if isinstance(value, str | int | float | bool):
        return repr(value)
    return _place(value if hasattr(value, "__qualname__") else type(value))


def _place(holder: Any) -> str:
    """Return where a function or a class is defined, "module:name"."""
    return f"{holder.__module__}:{holder.__qualname__}"


def _changed_fields(value: Any) -> str:
    """Return the fields of a dataclass, such as a linen module, that differ from their defaults."""
    own = {field.name: field for field in dataclasses.fields(value) if field.name not in ("parent", "name")}
    names = {name: name_of(getattr(value, name)) for name in own}
    return ", ".join(f"{name}={names[name]}" for name, field in own.items() if names[name] != name_of(field.default))


def record(config: Config, **values: Any) -> None:
    """Write the names of what was given into `config.given`; the configuration may be locked."""
    with config.unlocked():
        for field, value in values.items():
            config.given[field] = name_of(value)


def check_same(stored: Config, asked: Config, path: Any) -> None:
    """Refuse to go on with a run whose objective, model or images were given from Python, unless they are given again.

    Raises:
        errors.UserError: names what is lacking or differs.
    """
    for field, argument in HOW.items():
        there, here = stored.given[field], asked.given[field]
        if there == UNRECORDED:
            continue
        if there and not here:
            raise errors.UserError(
                f"{path} was trained with {field} given from Python ({there}); give the same again, "
                f"vae_jax.train(config, workdir, {argument}...), or use another workdir"
            )
        if there != here:
            raise errors.UserError(
                f"{path} was trained with {field} {there or 'of its configuration'}, and {here} is given now; "
                "give the same again, or use another workdir"
            )


def refuse_lacking(config: Config, field: str) -> None:
    """Refuse to build from a configuration what was given from Python when the run was trained.

    Raises:
        errors.UserError: names what was given, and the argument by which it is given again.
    """
    if config.given[field] not in ("", UNRECORDED):
        raise errors.UserError(
            f"this run was trained with {field} given from Python ({config.given[field]}), which its configuration "
            f"cannot rebuild; use it from Python and give {HOW[field]}... again"
        )
