"""From a name in a configuration to what the name stands for: a function of a table, or code of the user's own.

A wrong name or keyword is refused here, in one line, before anything is compiled.
"""

import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from vae_jax import errors
from vae_jax.config import Config

Functions = Mapping[str, Callable[..., Any]]


def bind(
    section: Config, functions: Functions, where: str, *, known: Mapping[str, Any], allow_import: bool
) -> Callable[..., Any]:
    """Return the function that a section names, with the section's other fields bound as its keywords.

    Args:
        section: {name, and keywords}; the `weight` of a penalty is not a keyword.
        functions: the table in which the name is looked up.
        where: the section's place below `config.objective`, for messages.
        known: values that are bound where the function has a keyword of that name and the section sets none.
        allow_import: whether code of the user's own may be imported.

    Raises:
        errors.UserError: the name is unknown, or a keyword is unknown or missing.
    """
    where = f"config.objective.{where}"
    if "name" not in section:
        raise errors.UserError(f"{where} names no function; set {where}.name")
    function = lookup(section.name, functions, f"{where}.name", allow_import)
    parameters = inspect.signature(function).parameters.values()
    accepted = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    keywords = {name: known[name] for name in accepted & known.keys()}
    for name, value in section.items():
        if name in ("name", "weight"):
            continue
        if name not in accepted:
            raise errors.UserError(f"{where}.{name}: {section.name} takes no {name}; it takes {listed(accepted)}")
        keywords[name] = read_value(value)
    missing = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty} - keywords.keys()
    if missing:
        raise errors.UserError(f"{where}: {section.name} needs {listed(missing)}")
    return functools.partial(function, **keywords)


def listed(names: Iterable[str]) -> str:
    """Return names in order, with commas between them, or "no keywords"."""
    return ", ".join(sorted(names)) or "no keywords"


def read_value(value: Any) -> Any:
    """Return the optax schedule that a section {"schedule": NAME, ...} names, and any other value as it is."""
    if not isinstance(value, Config):
        return value
    import optax  # not at the top: a trained model without schedules is built without optax

    keywords: dict[str, Any] = dict(value.items())
    name = keywords.pop("schedule", "")
    try:
        return getattr(optax.schedules, name)(**keywords)
    except (AttributeError, TypeError) as error:
        raise errors.UserError(f"{{{', '.join(value)}}} is not a schedule of optax: {error}") from None


def lookup(name: str, functions: Functions, where: str, allow_import: bool) -> Callable[..., Any]:
    """Return what a name stands for: an entry of a table, or "my_module:my_function", code of the user's own.

    Args:
        name: the name.
        functions: the table.
        where: the field of the configuration that has the name, for messages.
        allow_import: whether code of the user's own may be imported.

    Raises:
        errors.UserError: the name is unknown, its code may not be imported, or the import fails.
    """
    if not isinstance(name, str):
        raise errors.UserError(f"{where}={name!r} is not a name; {errors.did_you_mean('', functions)}")
    if ":" not in name:
        if name not in functions:
            raise errors.UserError(f"{where}={name!r} is not known; {errors.did_you_mean(name, functions)}")
        return functions[name]
    if not allow_import:
        raise errors.UserError(f"{where} is {name!r}, code outside this project; say --allow_import to import it")
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # the user's own code, which may raise anything
        raise errors.UserError(f"{where}={name!r} cannot be imported: {type(error).__name__}: {error}") from None


def check_known(where: str, name: str, table: Mapping[str, Any]) -> str:
    """Return a name that is in a table, or refuse another by the field's name."""
    if name not in table:
        raise errors.UserError(f"{where}={name!r} is not known; {errors.did_you_mean(name, table)}")
    return name
