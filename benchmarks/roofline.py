"""The least time a training step can take here: XLA's count of its work over a matrix product's and a copy's rates."""

import time
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import contender
from vae_jax.models import layers

SIDE = {"cpu": 1024}  # of the square matrices of product and copy; elsewhere 8192


def limits(precision: str) -> dict[str, float]:
    """Return the rates of a matrix product at a precision, operations/s, and of a copy, bytes/s."""
    dtype, product_precision = layers.PRECISIONS[precision]
    side = SIDE.get(jax.default_backend(), 8192)
    square = jax.random.normal(jax.random.key(0), (side, side)).astype(dtype)
    product = jax.jit(lambda a: jnp.dot(a, a, precision=product_precision))
    copy = jax.jit(lambda a: a + 1)
    return {
        "product_flops_per_s": 2 * side**3 / _seconds_of(product, square),
        "copy_bytes_per_s": 2 * square.nbytes / _seconds_of(copy, square),
    }


def least_seconds(counts: dict[str, float]) -> float:
    """Return what a step takes at least, of what `limits` and `step_cost` say."""
    arithmetic = counts["step_flops"] / counts["product_flops_per_s"]
    return max(arithmetic, counts["step_bytes"] / counts["copy_bytes_per_s"])


def _seconds_of(function: Any, argument: Any, repeats: int = 10) -> float:
    jax.block_until_ready(function(argument))
    began = time.perf_counter()
    for _ in range(repeats):
        result = function(argument)
    jax.block_until_ready(result)
    return (time.perf_counter() - began) / repeats


def step_cost(batch_size: int, precision: str) -> dict[str, float]:
    """Return XLA's count of one step: operations before it optimises, since kernels it calls are not seen into; bytes
    after, since what it fuses need not be moved.
    """
    lowered = contender.lower_step(batch_size, precision)
    before, after = lowered.cost_analysis() or {}, lowered.compile().cost_analysis() or {}
    after = after[0] if isinstance(after, list) else after
    return {"step_flops": float(before.get("flops", 0)), "step_bytes": float(after.get("bytes accessed", 0))}
