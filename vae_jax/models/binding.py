"""Models bound to their variables: fresh variables, and any function of a bound vae run as a pure function.

The one place where mutable collections (BatchNorm's running statistics, a codebook) are threaded.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from vae_jax.random import fold_in_name

PASSES = "passes"  # where BatchNorm marks its first pass; the marks end with the call


@functools.partial(jax.jit, static_argnums=0)
def init(model: Any, key: jax.Array) -> dict:
    """Return fresh variables: {"params": ...} and the model's collections, such as "batch_stats"."""
    return model.init(key, jnp.zeros((2, *model.image_shape), jnp.float32))


def collections_of(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mutable collections among a model's variables: all but its parameters."""
    return {name: tree for name, tree in variables.items() if name not in ("params", PASSES)}


def apply(
    function: Callable[[Any], Any],
    model: nn.Module,
    variables: Mapping[str, Any],
    *,
    training: bool = False,
    dropout_key: jax.Array | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Return function(vae), `vae` the model bound to its variables, and the collections afterwards.

    In training, the first encode and the first decode within the call update running statistics and later ones do not;
    otherwise the collections come back as they are.

    Args:
        function: a function of the bound vae, such as `lambda vae: vae.encode(x)`.
        model: a module with an attribute `training`.
        variables: {"params": ...} and the model's collections.
        training: the mode the model runs in, whatever its own attribute says.
        dropout_key: for networks of one's own that ask for a key by the name "dropout".
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
    """Return `objective(vae, batch, key, step)` for the bound vae, and the collections afterwards.

    Args:
        objective: (vae, batch, key, step) -> (loss, metrics).
        model, variables, training: as for `apply`.
        batch, key, step: the objective's.

    Returns:
        ((loss, metrics), collections)
    """
    dropout_key = fold_in_name(key, "dropout") if training else None
    return apply(
        lambda vae: objective(vae, batch, key, step), model, variables, training=training, dropout_key=dropout_key
    )
