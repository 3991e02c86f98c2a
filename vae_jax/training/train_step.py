"""The pure training step, and the call around it, which prepares the images and takes one or several steps.

`parts` makes both, and `devices` compiles the call. The objective decides the loss; nothing here knows a method.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from vae_jax import models
from vae_jax.losses.objectives import Objective
from vae_jax.random import fold_in_name
from vae_jax.training.train_state import TrainState, step_key

Batch = dict[str, jax.Array]
Metrics = dict[str, jax.Array]
Players = dict[str, tuple[str, ...]]
TrainStep = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


def make_train_step(
    model: Any,
    objective: Objective,
    tx: optax.GradientTransformation,
    learning_rate: optax.Schedule,
    *,
    ema_decay: float = 0.0,
    axis_name: str | None = None,
) -> TrainStep:
    """Return the training step, a pure function (state, batch) -> (state, metrics) that is not compiled.

    If a loss or the norm of the gradient is not finite, the step is counted, and parameters, collections and the
    optimiser's state stay as they are.

    Args:
        model: the module; its `players`, if any, name the parameters that each loss of the objective trains.
        objective: (vae, batch, key, step) -> (loss, metrics); for a model of several players, loss is a dict by player.
        tx: the gradient transformation of all parameters.
        learning_rate: step -> the learning rate, for the metrics.
        ema_decay: decay of the averaged parameters at each step, if the state has them.
        axis_name: the mapped axis (pmap) over which gradients are averaged.

    Returns:
        A function of the state and of {"image": float32 [B, H, W, C] in the model's range}. Its metrics are those of
        the objective, and `grad_norm`, `learning_rate` and `finite`.
    """

    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        losses, metrics, collections, grads = _gradients(objective, model, state, batch)
        if axis_name is not None:
            grads = jax.lax.pmean(grads, axis_name)
        grad_norm = optax.tree.norm(grads)
        finite = jnp.isfinite(grad_norm)
        for loss in losses:
            finite &= jnp.isfinite(loss)

        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema_params = state.ema_params
        if ema_params is not None:
            ema_params = optax.incremental_update(params, ema_params, 1.0 - ema_decay)
        proposed = (params, collections, opt_state, ema_params)
        current = (state.params, state.collections, state.opt_state, state.ema_params)
        kept: Any = jax.tree.map(lambda new, old: jnp.where(finite, new, old), proposed, current)
        params, collections, opt_state, ema_params = kept
        new_state = TrainState(state.step + 1, params, collections, opt_state, state.key, ema_params)
        extra = {
            "grad_norm": grad_norm,
            "learning_rate": jnp.asarray(learning_rate(state.step), jnp.float32),
            "finite": finite,
        }
        return new_state, metrics | extra

    return train_step


def players_of(model: Any, params: Any) -> Players:
    """Return the top-level groups of parameters that each player owns, by the player's name.

    A model without players is one player, "vae", that owns all parameters.

    Args:
        model: a module, which may have `players`.
        params: the model's parameters, by group.

    Raises:
        ValueError: a group of parameters is not owned by exactly one player.
    """
    players = getattr(model, "players", None) or {"vae": tuple(params)}
    owned = sorted(group for groups in players.values() for group in groups)
    if owned != sorted(params):
        raise ValueError(f"the players own the parameters {owned}, and the model has {sorted(params)}")
    return players


def _gradients(
    objective: Objective, model: Any, state: TrainState, batch: Batch
) -> tuple[list[jax.Array], Metrics, Any, Any]:
    """Return the loss of each player, the metrics, the new collections, and the gradient of all parameters.

    The loss of a player is differentiated with respect to this player's parameters only. The players have the same
    forward pass, which the compiler computes once.
    """
    players = players_of(model, state.params)

    def loss_of(own: Any, player: str) -> tuple[jax.Array, Any]:
        variables = {"params": {**state.params, **own}, **state.collections}
        (loss, metrics), collections = models.apply_objective(
            objective, model, variables, batch, step_key(state), state.step, training=True
        )
        if isinstance(loss, dict):
            if loss.keys() != players.keys():
                raise ValueError(f"the objective trains {sorted(loss)}, and the model's players are {sorted(players)}")
            loss = loss[player]
        return loss, (metrics, collections)

    losses, grads, aux = [], {}, None
    for player, groups in players.items():
        own = {group: state.params[group] for group in groups}
        (loss, found), gradient = jax.value_and_grad(loss_of, has_aux=True)(own, player)
        losses.append(loss)
        grads |= gradient
        aux = aux or found
    assert aux is not None
    return losses, *aux, {group: grads[group] for group in state.params}


def make_train_call(
    train_step: TrainStep, prepare: Callable[[jax.Array, jax.Array], jax.Array]
) -> Callable[[TrainState, Batch], tuple[TrainState, Metrics]]:
    """Return a function (state, raw) -> (state, metrics [S]) that takes S steps on uint8 batches [S, B, ...].

    A single step is not scanned, because a scan of the CelebA network was 2.8 times slower on a CPU.

    Args:
        train_step: as `make_train_step` returned it.
        prepare: (uint8 images [B, H, W, C], key) -> the model's float32 images. The key is derived from the step's key.
    """

    def one(state: TrainState, raw: Batch) -> tuple[TrainState, Metrics]:
        key = fold_in_name(step_key(state), "prepare")
        return train_step(state, raw | {"image": prepare(raw["image"], key)})

    def call(state: TrainState, raw: Batch) -> tuple[TrainState, Metrics]:
        if raw["image"].shape[0] > 1:
            return jax.lax.scan(one, state, raw)
        state, metrics = one(state, jax.tree.map(lambda leaf: leaf[0], raw))
        return state, jax.tree.map(lambda leaf: leaf[None], metrics)

    return call
