"""The values that a flag may have: functions from the flag's text to its value.

Each function raises ValueError, or errors.UserError where it knows the whole message, if the text is not such a value.
`parse` adds the flag's name. This file imports nothing heavy; `options` names these functions.
"""

import math
import os
from collections.abc import Callable

from vae_jax.inference import prior_names

FEATURES = "classifier, random, inception, inception:FILE or my_module:my_function"


def text(given: str) -> str:
    """Return the text, which may not be empty."""
    if not given:
        raise ValueError("a value is missing; give one, or leave the flag out")
    return given


def path(given: str) -> str:
    """Return the path with a leading ~ replaced by the home directory."""
    return os.path.expanduser(text(given))


def whole(given: str) -> int:
    """Return a whole number, 0 or more."""
    return _integer(given, 0)


def seed(given: str) -> int:
    """Return a whole number that fits 32 bits, as the seed of a configuration must."""
    value = _integer(given, 0)
    if value >= 2**32:
        raise ValueError("must be a whole number from 0 to 2**32 - 1")
    return value


def count(given: str) -> int:
    """Return a whole number, 1 or more."""
    return _integer(given, 1)


def _integer(given: str, least: int) -> int:
    message = f"must be a whole number, {least} or more"
    try:
        value = int(given)
    except ValueError:
        raise ValueError(message) from None
    if value < least:
        raise ValueError(message)
    return value


def not_negative(given: str) -> float:
    """Return a finite number, 0 or more."""
    message = "must be a finite number, 0 or more"
    try:
        value = float(given)
    except ValueError:
        raise ValueError(message) from None
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(message)
    return value


def choice(*names: str) -> Callable[[str], str]:
    """Return a function that returns one of some names."""

    def read(given: str) -> str:
        if given not in names:
            raise ValueError(f"use {', '.join(names[:-1])} or {names[-1]}")
        return given

    return read


def checkpoint(given: str) -> str:
    """Return "latest", "best" or a step."""
    if given not in ("latest", "best") and not given.isdecimal():
        raise ValueError("use latest, best, or a step")
    return given


def prior(given: str) -> str:
    """Return the name of a density that samples may be drawn from."""
    prior_names.parse(given)
    return given


def features(given: str) -> str:
    """Return the name of a function that computes the features of images."""
    kind, colon, argument = given.partition(":")
    if kind not in ("classifier", "random", "inception") and not colon:
        raise ValueError(f"use {FEATURES}")
    if colon and not (kind and argument) or colon and kind in ("classifier", "random"):
        raise ValueError(f"use {FEATURES}")
    return f"{kind}:{os.path.expanduser(argument)}" if kind == "inception" and colon else given
