"""One implementation of the CelebA training step, in a process of its own, timed when it is told to.

Run by `benchmarks.turns` with one argument, a JSON object: "framework", and what its `make_` function takes. It reads
numbers of steps from its standard input, a line each, and answers each with the seconds they took.
"""

import contextlib
import functools
import json
import os
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np

IMAGE_SHAPE, LATENT_DIM, HIDDEN_DIMS = (64, 64, 3), 128, (32, 64, 128, 256, 512)
# The default recipe of configs/celeba.py, held against it by a test. Where an accelerator is at hand there may be jax,
# flax and optax, and not what a configuration is made of.
DATA_RANGE, BETA, LEARNING_RATE, EPS = (-1.0, 1.0), 8.847e-4 * 64 * 64 * 3 / 2, 5e-3, 1e-8 * 64 * 64 * 3 / 2
NUM_BATCHES = 8  # different batches, taken in turn

Steps = Callable[[int], None]  # runs so many steps, and waits for the last


def make_batches(batch_size: int) -> np.ndarray:
    """Return uint8 [NUM_BATCHES, B, H, W, C] of noise."""
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (NUM_BATCHES, batch_size, *IMAGE_SHAPE), dtype=np.uint8)


def make_parts(
    precision: str,
    *,
    image_shape: tuple[int, int, int] = IMAGE_SHAPE,
    latent_dim: int = LATENT_DIM,
    num_samples: int | None = None,
) -> tuple[Any, Any, Any, Any]:
    """Return model, objective, schedule and prepare of the recipe; with `num_samples`, the objective is IWAE's."""
    import optax

    from vae_jax import losses, models
    from vae_jax.data import batches
    from vae_jax.losses import rate, reconstruction

    model = models.VAE(image_shape, latent_dim, HIDDEN_DIMS, data_range=DATA_RANGE, precision=precision)
    gaussian = functools.partial(reconstruction.gaussian, sigma=1.0)
    objective = functools.partial(
        losses.elbo_loss, reconstruction=gaussian, rate=functools.partial(rate.beta, beta=BETA)
    )
    if num_samples is not None:
        objective = functools.partial(losses.iwae_loss, reconstruction=gaussian, num_samples=num_samples)
    schedule = optax.exponential_decay(LEARNING_RATE, 1000, 0.95, staircase=True)
    return model, objective, schedule, functools.partial(batches.prepare, range=DATA_RANGE, flip=True)


def prepare_jax(precision: str, **given: Any) -> tuple[Any, Any]:
    """Return the runner of the recipe's training call, as `main.py` compiles it, and its first state, placed."""
    import jax
    import optax

    from vae_jax import devices, models
    from vae_jax.training import train_state, train_step

    model, objective, schedule, prepare = make_parts(precision, **given)
    tx = optax.adam(schedule, eps=EPS)
    call = train_step.make_train_call(train_step.make_train_step(model, objective, tx, schedule), prepare)
    runner = devices.jit_runner(call, devices.make_mesh())
    fresh = train_state.create_state(models.init(model, jax.random.key(0)), tx, jax.random.key(1), ema=False)
    return runner, runner.place(fresh)


def feed_config(batch_size: int, placement: str, steps_per_call: int = 1) -> Any:
    """Return what `feed.open_feed` reads of a configuration."""
    data = types.SimpleNamespace(batch_size=batch_size, placement=placement)
    return types.SimpleNamespace(seed=0, steps_per_call=steps_per_call, data=data)


def lower_step(batch_size: int, precision: str) -> Any:
    """Return our training call, lowered: one step on a batch."""
    runner, state = prepare_jax(precision)
    return runner.call.lower(state, {"image": make_batches(batch_size)[:1]})


def make_jax(batch_size: int, precision: str, *, steps_per_call: int = 1, feed: str = "batches") -> Steps:
    """Our own training call. `feed`: "batches" lie on the device, ready; "device" gathers them from resident images
    by index; "host" streams.
    """
    import jax

    from vae_jax.training import feed as feeds

    runner, current = prepare_jax(precision)
    images = make_batches(batch_size)
    ready = []
    if feed == "batches":
        stacks = (np.stack([batch] * steps_per_call) for batch in images)
        ready = [{"image": jax.device_put(stack, runner.raw_sharding)} for stack in stacks]

    def take(number: int) -> None:
        nonlocal current
        with contextlib.ExitStack() as stack:
            if feed == "batches":
                raws = (ready[index % NUM_BATCHES] for index in range(number // steps_per_call))
            else:
                flat, config = images.reshape(-1, *IMAGE_SHAPE), feed_config(batch_size, feed, steps_per_call)
                calls = stack.enter_context(feeds.open_feed(config, flat, runner.raw_sharding, 0, number))
                raws = (raw() for _, _, raw in calls)
            for raw in raws:
                current, metrics = runner.call(current, raw)
            jax.block_until_ready(metrics)

    return take


def make_pytorch(batch_size: int, precision: str, *, variant: str) -> Steps:
    """The plain PyTorch step; `variant` is eager, channels_last or compiled (which is channels_last too)."""
    import torch

    from benchmarks import pytorch_vae

    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True
    layout = torch.contiguous_format if variant == "eager" else torch.channels_last
    twin = pytorch_vae.Twin(IMAGE_SHAPE, LATENT_DIM, HIDDEN_DIMS)
    twin = twin.to(device, memory_format=layout)  # pyright: ignore[reportCallIssue] - not in PyTorch's stubs
    step = pytorch_vae.make_train_step(
        twin,
        beta=BETA,
        learning_rate=LEARNING_RATE,
        eps=EPS,
        compiled=variant == "compiled",
        autocast=precision == "bfloat16",
    )
    images = torch.from_numpy(make_batches(batch_size)).permute(0, 1, 4, 2, 3).to(device)
    resident = [batch.contiguous(memory_format=layout) for batch in images]

    def run(number: int) -> None:
        for index in range(number):
            value = step(resident[index % NUM_BATCHES])
        value.item()

    return run


def main(argument: str) -> None:
    from vae_jax.devices import host_memory

    host_memory.keep_freed_pages()  # as main.py does; PyTorch gains from it too
    given = json.loads(argument)
    make = {"jax": make_jax, "pytorch": make_pytorch}[given.pop("framework")]
    smallest = given.get("steps_per_call", 1)
    began = time.perf_counter()
    run = make(**given)
    run(smallest)
    print(json.dumps({"first_step_s": time.perf_counter() - began}), flush=True)
    run(2 * smallest)
    for line in sys.stdin:
        number = int(line)
        began = time.perf_counter()
        run(number)
        print(json.dumps({"seconds": time.perf_counter() - began}), flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main(sys.argv[1])
