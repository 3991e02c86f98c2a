"""Everything a run needs to go on, in one PyTree of arrays."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from vae_jax import models

PyTree = Any


class TrainState(flax.struct.PyTreeNode):
    """The state of a training run: arrays only, so that a checkpoint holds all of it.

    Attributes:
        step: optimiser steps taken or skipped, [] int32.
        params: the model's parameters.
        collections: what the model changes besides, such as {"batch_stats": ...}; {} for a model without state.
        opt_state: the optimiser's state.
        key: constant; a step's key is fold_in(key, step).
        ema_params: averaged parameters; None if the run keeps none.
    """

    step: jax.Array
    params: PyTree
    collections: dict[str, PyTree]
    opt_state: PyTree
    key: jax.Array
    ema_params: PyTree | None


def create_state(variables: PyTree, tx: optax.GradientTransformation, key: jax.Array, *, ema: bool) -> TrainState:
    """Return the state of step 0 for a model's initial variables."""
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        collections=models.collections_of(variables),
        opt_state=tx.init(params),
        key=key,
        # A copy: the state is donated, and no two of its leaves may share a buffer.
        ema_params=jax.tree.map(jnp.copy, params) if ema else None,
    )


def inference_variables(state: TrainState) -> dict[str, PyTree]:
    """Return what evaluation and sampling use: the averaged weights if there are any, and the collections."""
    params = state.params if state.ema_params is None else state.ema_params
    return {"params": params, **state.collections}


def step_key(state: TrainState) -> jax.Array:
    """Return the key of the step that a state is about to take, the only source of that step's noise."""
    return jax.random.fold_in(state.key, state.step)
