"""A configuration as JSON and back, and as a flat dict of dotted names.

Training writes config.json and checkpoints by `to_json`; whatever reads a run uses `from_run`. Whether the values are
possible is for `rules.validate` to say.
"""

from typing import Any

from vae_jax import errors
from vae_jax.config import Config, upgrades

_REFUSED = "this is not a run's configuration ({}); restore it from where it was"


def to_json(config: Config) -> dict[str, Any]:
    """Return the configuration as plain dicts, numbers, strings and lists, with its references resolved."""
    return config.to_dict()


def from_json(tree: dict[str, Any]) -> Config:
    """Return the locked configuration that `to_json` wrote; lists, which JSON has for tuples, become tuples.

    Raises:
        errors.UserError: the tree cannot be made into a configuration, such as one with a field named "a.b".
    """

    def restore(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: restore(item) for name, item in value.items()}
        return tuple(restore(item) for item in value) if isinstance(value, list) else value

    try:
        return Config(restore(tree), convert_dict=True).lock()
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise errors.UserError(_REFUSED.format(error)) from None


def from_run(tree: Any) -> Config:
    """Return the configuration that a run stored, upgraded to today's fields if older code stored it.

    Raises:
        errors.UserError: the tree cannot be made into a configuration.
    """
    try:
        upgraded = upgrades.upgrade(tree)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise errors.UserError(_REFUSED.format(error)) from None
    return from_json(upgraded)


def flatten(config: Config | dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return {dotted field name: value}; an empty section appears as itself, and a tuple as a list."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Config | dict) and len(value):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat
