"""What a hyperparameter may be. Only plain numbers are looked at: of a schedule or a traced array nothing is known."""

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
