"""Everything a run needs to go on, in one PyTree of arrays."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

PyTree = Any


class TrainState(flax.struct.PyTreeNode):
    """Arrays only, so that two states built apart have the same tree and a checkpoint holds all of it."""

    step: jax.Array  # [] int32, optimiser steps taken or skipped
    params: PyTree
    batch_stats: PyTree  # {} for a model without running statistics
    opt_state: PyTree
    key: jax.Array  # constant; a step's key is fold_in(key, step)
    ema_params: PyTree | None  # averaged weights, None if the run keeps none


def create_state(variables: PyTree, tx: optax.GradientTransformation, key: jax.Array, *, ema: bool) -> TrainState:
    """Return the state of step 0 for a model's initial variables."""
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=variables.get("batch_stats", {}),
        opt_state=tx.init(params),
        key=key,
        # A copy: the state is donated, and no two of its leaves may share a buffer.
        ema_params=jax.tree.map(jnp.copy, params) if ema else None,
    )


def inference_variables(state: TrainState) -> dict[str, PyTree]:
    """Return what evaluation and sampling use: the averaged weights if there are any, running statistics."""
    params = state.params if state.ema_params is None else state.ema_params
    return {"params": params, "batch_stats": state.batch_stats}
