"""Several seeds in one compiled program, vmap over the state, against the same seeds one after another.

    python -m benchmarks.seeds --seeds=3
    XLA_FLAGS=--xla_cpu_multi_thread_eigen=false taskset -c 0 python -m benchmarks.seeds --seeds=3

The network of configs/binarized_mnist.py:mlp and its batches of 100, of made images. The two take turns; told are the
fastest step and the median one of each.
"""

import argparse
import functools
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from vae_jax import models
from vae_jax.config import build
from vae_jax.configs import binarized_mnist
from vae_jax.data import batches
from vae_jax.training import optimizers, train_state, train_step


def make(num_samples: int) -> tuple[Callable[[int], Any], Callable[..., Any]]:
    """Return seed -> state, and call(state, raw) of one step, not yet compiled."""
    config = binarized_mnist.get_config("mlp")
    config.model.image_shape = (28, 28, 1)
    if num_samples > 1:
        config.objective.name, config.objective.num_samples = "iwae", num_samples
    model = build.make_model(config)
    schedule = optimizers.make_schedule(config, 600.0, 60_000)
    tx = optimizers.make_optimizer(config, schedule, {"vae": ("encoder", "decoder")})
    step_fn = train_step.make_train_step(model, build.make_objective(config, 60_000), tx, schedule)

    def state_of(seed: int) -> train_state.TrainState:
        key = jax.random.key(seed)
        return train_state.create_state(models.init(model, key), tx, key, ema=False)

    return state_of, train_step.make_train_call(step_fn, batches.make_prepare(model, flip=False))


def measure(num_seeds: int, num_samples: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds that a step of all seeds took, by round: one after another, and in one program."""
    state_of, call = make(num_samples)
    images = np.random.default_rng(0).integers(0, 256, (num_seeds, 1, 100, 28, 28, 1), np.uint8)
    own = [state_of(seed) for seed in range(num_seeds)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *own)
    single, together = jax.jit(call), jax.jit(jax.vmap(call))
    ways = {
        "one after another": lambda: [single(state, {"image": x}) for state, x in zip(own, images, strict=True)],
        "one program": functools.partial(together, stacked, {"image": images}),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):
        for name, run in ways.items():
            began = time.perf_counter()
            jax.block_until_ready(run())
            times[name].append(time.perf_counter() - began)
    return {name: seconds[1:] for name, seconds in times.items()}  # the first round compiles


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--num_samples", type=int, default=1, help="K of the importance-weighted objective")
    parser.add_argument("--rounds", type=int, default=60)
    given = parser.parse_args(arguments)
    for name, seconds in measure(given.seeds, given.num_samples, given.rounds).items():
        fastest, median = min(seconds) * 1e3, float(np.median(seconds)) * 1e3
        rate = given.seeds * 100 / min(seconds)
        print(f"{given.seeds} seeds {name}: {fastest:.1f} ms ({rate:,.0f} images/s), median {median:.1f} ms")


if __name__ == "__main__":
    main(sys.argv[1:])
