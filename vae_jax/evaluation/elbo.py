"""The objective's own metrics on a whole split: running statistics, one z ~ q per image, every example once."""

import collections
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from vae_jax import models
from vae_jax.data import batches
from vae_jax.random import fold_in_name

Metrics = dict[str, float]

RUN_AHEAD = 2  # batches dispatched before a result is looked at, so that a device need not wait for the host


def make_eval_step(model: Any, objective: Callable[..., Any], prepare: Callable[..., jax.Array]) -> Callable[..., Any]:
    """Return the compiled eval_step(variables, images, key, step) -> metrics of one batch of uint8 images.

    `step` is the train step, which sets where schedules stand, so that `loss` is on training's scale.
    """

    @jax.jit
    def eval_step(variables: Any, images: jax.Array, key: jax.Array, step: jax.Array) -> dict[str, jax.Array]:
        batch = {"image": prepare(images, fold_in_name(key, "prepare"))}
        (_, metrics), _ = models.apply_objective(objective, model, variables, batch, key, step, training=False)
        return metrics

    return eval_step


def evaluate(
    eval_step: Callable[..., Any],
    variables: Any,
    images: np.ndarray,
    batch_size: int,
    key: jax.Array,
    step: int,
    put: Callable[[np.ndarray], Any] = np.asarray,
) -> Metrics:
    """Average the metrics over images [N, H, W, C]; the last, shorter batch counts by its size.

    `put` places a batch on the devices.
    """
    totals: Metrics = {}
    pending: collections.deque[tuple[int, Any]] = collections.deque()

    def look() -> None:
        size, metrics = pending.popleft()
        for name, value in jax.device_get(metrics).items():
            totals[name] = totals.get(name, 0.0) + float(value) * size

    for index, rows in enumerate(batches.evaluation_slices(len(images), batch_size)):
        part = put(images[rows])
        pending.append((len(part), eval_step(variables, part, jax.random.fold_in(key, index), step)))
        if len(pending) > RUN_AHEAD:
            look()
    while pending:
        look()
    return {name: total / len(images) for name, total in totals.items()}


def score(metrics: Metrics) -> float:
    """Return what checkpoints are ranked by, larger is better: the ELBO, or minus the loss without one."""
    return metrics["elbo"] if "elbo" in metrics else -metrics["loss"]
