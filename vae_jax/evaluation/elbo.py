"""The objective's own metrics on a whole split, every image once. Training evaluates by these functions too."""

import collections
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from vae_jax import models
from vae_jax.evaluation.inputs import Prepare, prepare_batch, split_batches

Metrics = dict[str, float]

RUN_AHEAD = 2  # batches dispatched before a result is looked at, so that a device need not wait for the host


def make_eval_step(model: Any, objective: Callable[..., Any], prepare: Prepare) -> Callable[..., Any]:
    """Return the compiled eval_step(variables, images, key, step) -> metrics of one batch of uint8 images.

    Args:
        model: the module, which runs on its running statistics.
        objective: (vae, batch, key, step) -> (loss, metrics); `step` is the train step, which sets where schedules
            stand, so that `loss` is on training's scale.
        prepare: (uint8 images, key) -> float32 images in the model's range.
    """

    @jax.jit
    def eval_step(variables: Any, images: jax.Array, key: jax.Array, step: jax.Array) -> dict[str, jax.Array]:
        batch = {"image": prepare_batch(prepare, images, key)}
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
    """Return the metrics averaged over images; the last, shorter batch counts by its size.

    Args:
        eval_step: as `make_eval_step` returns it.
        variables: the model's parameters and collections.
        images: uint8 [N, H, W, C].
        batch_size: images in a batch.
        key: of the evaluation.
        step: the train step.
        put: places a batch on the devices.
    """
    totals: Metrics = {}
    pending: collections.deque[tuple[int, Any]] = collections.deque()

    def look() -> None:
        size, metrics = pending.popleft()
        for name, value in jax.device_get(metrics).items():
            totals[name] = totals.get(name, 0.0) + float(value) * size

    for batch in split_batches(len(images), batch_size, key):
        part = put(images[batch.rows])
        pending.append((len(part), eval_step(variables, part, batch.key, step)))
        if len(pending) > RUN_AHEAD:
            look()
    while pending:
        look()
    return {name: total / len(images) for name, total in totals.items()}


def score(metrics: Metrics) -> float:
    """Return what checkpoints are ranked by, where larger is better: the ELBO, or minus the loss without an ELBO."""
    return metrics["elbo"] if "elbo" in metrics else -metrics["loss"]
