"""The check of shapes that `conftest.py` puts around every function of losses, distributions and models.

A shape stands in a signature, `Float[Array, "B D"]`, and is checked at every call of the tests, inside `jit` while it
is traced. Other types are pyright's. An array may be NumPy's where a signature says jax's, as everywhere in JAX.
"""

import functools
import inspect
import operator
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import beartype
import jax
import jaxtyping
import numpy as np

ROOMS = ("vae_jax.distributions", "vae_jax.losses", "vae_jax.models")
BESIDE_ARRAYS = (bool, int, float, str, type(None))  # in unions and trees of arrays; others count as Any

_check = beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))  # an int is a float, as for pyright


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with a check of every shape in its signature, or the function itself where there is none.

    The fields of a dataclass are not checked: JAX makes trees of sentinels and of abstract values from its class.
    """
    shaped = {name: hint for name, hint in function.__annotations__.items() if _has_shape(hint)}
    if function.__name__ == "__init__" or not shaped:
        return function
    function.__annotations__ = {name: _with_numpy(hint) for name, hint in shaped.items()}
    return _check(function)


def _is_array(hint: Any) -> bool:
    return inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray)


def _has_shape(hint: Any) -> bool:
    return _is_array(hint) or any(map(_has_shape, typing.get_args(hint)))


def _with_numpy(hint: Any) -> Any:
    """Return the hint with NumPy's arrays beside jax's, and Any in place of what is neither an array nor plain."""
    if _is_array(hint):
        return hint.dtype[jax.Array | np.ndarray, hint.dim_str]
    if hint in BESIDE_ARRAYS or hint is Ellipsis:
        return hint
    origin, parts = typing.get_origin(hint), tuple(map(_with_numpy, typing.get_args(hint)))
    if origin in (typing.Union, types.UnionType):
        return Any if Any in parts else functools.reduce(operator.or_, parts)
    return origin[parts] if origin in (tuple, list, dict, Mapping, Sequence) else Any
