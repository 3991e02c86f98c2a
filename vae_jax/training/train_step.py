"""The pure training step, and the compiled call around it: gather, prepare, one or several steps."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from vae_jax import models
from vae_jax.random import fold_in_name
from vae_jax.training import train_state

Batch = dict[str, jax.Array]
Metrics = dict[str, jax.Array]
TrainStep = Callable[[train_state.TrainState, Batch], tuple[train_state.TrainState, Metrics]]


def make_train_step(
    model: Any,
    objective: Callable[..., tuple[jax.Array, Metrics]],
    tx: optax.GradientTransformation,
    learning_rate: optax.Schedule,
    *,
    ema_decay: float = 0.0,
    axis_name: str | None = None,
) -> TrainStep:
    """Return train_step(state, batch) -> (state, metrics), pure and not yet compiled.

    `batch["image"]` is float32 [B, H, W, C] in the model's range; the key is fold_in(state.key,
    state.step). Metrics are the objective's, with `grad_norm`, `learning_rate` and `finite`. Where the
    loss or the gradient's norm is not finite, the update is not applied and the statistics are left
    alone; the step counts all the same. `axis_name`: the mapped axis (pmap) to average gradients over.
    """

    def loss_fn(params: Any, state: train_state.TrainState, batch: Batch) -> tuple[jax.Array, Any]:
        variables = {"params": params, "batch_stats": state.batch_stats}
        key = jax.random.fold_in(state.key, state.step)
        (loss, metrics), batch_stats = models.apply_objective(
            objective, model, variables, batch, key, state.step, training=True
        )
        return loss, (metrics, batch_stats)

    def train_step(state: train_state.TrainState, batch: Batch) -> tuple[train_state.TrainState, Metrics]:
        gradient = jax.value_and_grad(loss_fn, has_aux=True)
        (loss, (metrics, batch_stats)), grads = gradient(state.params, state, batch)
        if axis_name is not None:
            grads = jax.lax.pmean(grads, axis_name)
        grad_norm = optax.tree.norm(grads)
        finite = jnp.isfinite(loss) & jnp.isfinite(grad_norm)

        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        ema_params = state.ema_params
        if ema_params is not None:
            ema_params = optax.incremental_update(params, ema_params, 1.0 - ema_decay)
        proposed = (params, batch_stats, opt_state, ema_params)
        current = (state.params, state.batch_stats, state.opt_state, state.ema_params)
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), proposed, current)
        new_state = train_state.TrainState(state.step + 1, *kept[:3], state.key, kept[3])
        extra = {
            "grad_norm": grad_norm,
            "learning_rate": jnp.asarray(learning_rate(state.step), jnp.float32),
            "finite": finite,
        }
        return new_state, metrics | extra

    return train_step


def make_train_call(
    train_step: TrainStep, prepare: Callable[[jax.Array, jax.Array], jax.Array]
) -> Callable[[train_state.TrainState, Batch], tuple[train_state.TrainState, Metrics]]:
    """Return call(state, raw) -> (state, metrics [S]) for S steps of raw uint8 batches [S, B, ...].

    `prepare(images, key)` turns uint8 [B, H, W, C] into the model's float32; its noise is the step's own.
    One step is not scanned: on a CPU a scan of this network was 2.8 times slower.
    """

    def one(state: train_state.TrainState, raw: Batch) -> tuple[train_state.TrainState, Metrics]:
        key = fold_in_name(jax.random.fold_in(state.key, state.step), "prepare")
        return train_step(state, raw | {"image": prepare(raw["image"], key)})

    def call(state: train_state.TrainState, raw: Batch) -> tuple[train_state.TrainState, Metrics]:
        if raw["image"].shape[0] > 1:
            return jax.lax.scan(one, state, raw)
        state, metrics = one(state, jax.tree.map(lambda leaf: leaf[0], raw))
        return state, jax.tree.map(lambda leaf: leaf[None], metrics)

    return call
