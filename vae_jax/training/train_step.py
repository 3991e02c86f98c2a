"""The pure training step, and the compiled call around it: prepare the images, then one or several steps."""

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
    """Return train_step(state, batch) -> (state, metrics), pure and not yet compiled.

    Where a loss or the gradient's norm is not finite, the update is not applied and the collections are left alone;
    the step counts all the same.

    Args:
        model: the module; its `players`, if any, say which parameters each loss of the objective trains.
        objective: (vae, batch, key, step) -> (loss, metrics); a dict of losses for a model of several players.
        tx: the gradient transformation of all parameters.
        learning_rate: step -> the learning rate, for the metrics.
        ema_decay: decay per step of the averaged weights, where the state keeps them.
        axis_name: the mapped axis (pmap) to average gradients over.

    Returns:
        A function of the state and of {"image": float32 [B, H, W, C] in the model's range}. Its metrics are the
        objective's, with `grad_norm`, `learning_rate` and `finite`.
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
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), proposed, current)
        new_state = TrainState(state.step + 1, *kept[:3], state.key, kept[3])
        extra = {
            "grad_norm": grad_norm,
            "learning_rate": jnp.asarray(learning_rate(state.step), jnp.float32),
            "finite": finite,
        }
        return new_state, metrics | extra

    return train_step


def players_of(model: Any, params: Any) -> Players:
    """Return the groups of parameters that each player owns; a model without players is one player.

    Raises:
        ValueError: the players do not own every group of parameters exactly once.
    """
    players = getattr(model, "players", None) or {"vae": tuple(params)}
    owned = sorted(group for groups in players.values() for group in groups)
    if owned != sorted(params):
        raise ValueError(f"the players own the parameters {owned}, and the model has {sorted(params)}")
    return players


def _gradients(
    objective: Objective, model: Any, state: TrainState, batch: Batch
) -> tuple[list[jax.Array], Metrics, Any, Any]:
    """Return each player's loss, the metrics, the new collections, and the gradient of all parameters.

    Each player's loss is differentiated with respect to that player's own parameters alone. The forward passes of the
    players are one computation, which the compiler does once.
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
    """Return call(state, raw) -> (state, metrics [S]) for S steps of raw uint8 batches [S, B, ...].

    One step is not scanned: on a CPU a scan of this network was 2.8 times slower.

    Args:
        train_step: as `make_train_step` returned it.
        prepare: (uint8 images [B, H, W, C], key) -> the model's float32; its noise is the step's own.
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
