"""The state of a training run, a PyTree of arrays that a checkpoint holds.

`train_step` computes the next state, `runs.checkpoint` saves and restores it.
"""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from vae_jax import models

PyTree = Any


class TrainState(flax.struct.PyTreeNode):
    """The state of a training run, which has arrays only, so that a checkpoint holds all of it.

    Attributes:
        step: number of optimiser steps taken or skipped, [] int32.
        params: the model's parameters.
        collections: the model's mutable collections, such as {"batch_stats": ...}; {} for a model without any.
        opt_state: the optimiser's state.
        key: a constant key; the key of a step is fold_in(key, step).
        ema_params: averaged parameters; None if the run keeps no average.
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
        # The parameters are copied, because the state is donated, and two donated leaves may not share a buffer.
        ema_params=jax.tree.map(jnp.copy, params) if ema else None,
    )


def inference_variables(state: TrainState) -> dict[str, PyTree]:
    """Return the variables for evaluation and sampling, with the averaged parameters if the state has them."""
    params = state.params if state.ema_params is None else state.ema_params
    return {"params": params, **state.collections}


def step_key(state: TrainState) -> jax.Array:
    """Return the key of the next step of a state, which is the only source of this step's noise."""
    return jax.random.fold_in(state.key, state.step)
