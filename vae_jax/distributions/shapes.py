"""The shapes of parameters, of samples and of values, for all distributions of this room.

The trailing axes of a value [*S, B, D] must equal the axes of the parameter [B, D]. No other broadcasting is allowed.
The shapes of images are in `pixels`.
"""

import jax
import jax.numpy as jnp


def match_trailing(parameter: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return a parameter [B, D] repeated along the leading axes of a shape [*S, B, D].

    Args:
        parameter: an array of any shape.
        shape: the shape of the result, which ends in the parameter's shape.

    Raises:
        ValueError: the shape does not end in the parameter's shape. Broadcasting would hide this mistake.
    """
    own = jnp.shape(parameter)
    if tuple(shape[len(shape) - len(own) :]) != own:
        raise ValueError(f"a distribution of shape {own} does not fit values of shape {tuple(shape)}")
    return jnp.broadcast_to(parameter, shape)


def with_samples(shape: tuple[int, ...], num_samples: int | None) -> tuple[int, ...]:
    """Return the shape of one sample, or of `num_samples` of them: [num_samples, *shape]."""
    return tuple(shape) if num_samples is None else (num_samples, *shape)
