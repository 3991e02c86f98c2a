"""Checks of hyperparameters against a lower limit.

Only plain numbers are checked. The values of a schedule or of a traced array are not known, and pass. The losses and
likelihoods call these functions before they compute.
"""

from typing import Any

from vae_jax import errors


def above(limit: float, **values: Any) -> None:
    """Raise errors.OutOfRange for the first of the named values that is not above `limit`."""
    for name, value in values.items():
        if isinstance(value, int | float) and not value > limit:
            raise errors.OutOfRange(f"{name} must be above {limit}, not {value}")


def at_least(limit: float, **values: Any) -> None:
    """Raise errors.OutOfRange for the first of the named values that is below `limit`."""
    for name, value in values.items():
        if isinstance(value, int | float) and not value >= limit:
            raise errors.OutOfRange(f"{name} must be {limit} or more, not {value}")
