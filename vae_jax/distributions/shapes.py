"""How the parameters of a distribution meet the values it is asked about: along trailing axes, and along no others."""

import jax
import jax.numpy as jnp


def match_trailing(parameter: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return a parameter [B, D] repeated along the leading axes of a shape [*S, B, D].

    Raises:
        ValueError: the trailing axes of the shape are not those of the parameter. Broadcasting would hide that.
    """
    own = jnp.shape(parameter)
    if tuple(shape[len(shape) - len(own) :]) != own:
        raise ValueError(f"a distribution of shape {own} does not fit values of shape {tuple(shape)}")
    return jnp.broadcast_to(parameter, shape)


def with_samples(shape: tuple[int, ...], num_samples: int | None) -> tuple[int, ...]:
    """Return the shape of one sample, or of `num_samples` of them: [num_samples, *shape]."""
    return tuple(shape) if num_samples is None else (num_samples, *shape)
