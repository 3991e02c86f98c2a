"""Pure functions that initialise a model, and that call any function of a vae bound to its variables.

This is the only file that handles mutable collections, such as BatchNorm's running statistics or a codebook. `training`,
`inference` and `evaluation` call every model through it.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from vae_jax.random import fold_in_name

PASSES = "passes"  # the collection in which BatchNorm marks its first call; it is dropped when `apply` returns


@functools.partial(jax.jit, static_argnums=0)
def init(model: Any, key: jax.Array) -> dict:
    """Return fresh variables of a model.

    Args:
        model: a linen module with an attribute `image_shape`.
        key: the source of the initial values.

    Returns:
        {"params": ...} and the model's collections, such as "batch_stats".
    """
    return model.init(key, jnp.zeros((2, *model.image_shape), jnp.float32))


def collections_of(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mutable collections of a model, which are all of its variables but the parameters."""
    return {name: tree for name, tree in variables.items() if name not in ("params", PASSES)}


def apply(
    function: Callable[[Any], Any],
    model: nn.Module,
    variables: Mapping[str, Any],
    *,
    training: bool = False,
    dropout_key: jax.Array | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Return the value of a function of the vae bound to its variables, and the collections after the call.

    In training, the first encode and the first decode in the call update the running statistics, and later ones do not.
    Otherwise the collections are returned unchanged.

    Args:
        function: a function of the bound vae, such as `lambda vae: vae.encode(x)`.
        model: a linen module with an attribute `training`.
        variables: {"params": ...} and the model's collections.
        training: whether the model runs in training mode; the model's own attribute is ignored.
        dropout_key: the key that a user's network receives under the name "dropout".

    Returns:
        (function(vae), collections)
    """
    kept = collections_of(variables)
    mutable = [*kept, PASSES] if training else False
    rngs = {} if dropout_key is None else {"dropout": dropout_key}
    result = nn.apply(function, model.clone(training=training), mutable=mutable)(variables, rngs=rngs)
    if not training:
        return result, kept
    outputs, updated = result
    return outputs, {name: updated[name] for name in kept}


def apply_objective(
    objective: Callable[..., Any],
    model: nn.Module,
    variables: Mapping[str, Any],
    batch: Mapping[str, jax.Array],
    key: jax.Array,
    step: jax.Array | int,
    *,
    training: bool,
) -> tuple[tuple[Any, dict[str, jax.Array]], dict[str, Any]]:
    """Return the value of an objective for the vae bound to its variables, and the collections after the call.

    Args:
        objective: (vae, batch, key, step) -> (loss, metrics).
        model, variables, training: as for `apply`.
        batch, key, step: the arguments of the objective.

    Returns:
        ((loss, metrics), collections)
    """
    dropout_key = fold_in_name(key, "dropout") if training else None
    return apply(
        lambda vae: objective(vae, batch, key, step), model, variables, training=training, dropout_key=dropout_key
    )
