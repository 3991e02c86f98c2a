"""One implementation of the CelebA training step, in a process of its own, timed when it is told to.

Run by `benchmarks.turns` with one argument, a JSON object: "framework", and what its `make_` function takes. It reads
numbers of steps from its standard input, a line each, and answers each with the seconds they took.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

IMAGE_SHAPE, LATENT_DIM, HIDDEN_DIMS = (64, 64, 3), 128, (32, 64, 128, 256, 512)
NUM_BATCHES = 8  # different batches, taken in turn

Steps = Callable[[int], None]  # runs so many steps, and waits for the last


def make_batches(batch_size: int) -> np.ndarray:
    """Return uint8 [NUM_BATCHES, B, H, W, C] of noise."""
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (NUM_BATCHES, batch_size, *IMAGE_SHAPE), dtype=np.uint8)


def make_config(batch_size: int, precision: str) -> Any:
    """Return the default CelebA recipe at a batch size and precision, its shape filled in."""
    from configs import celeba

    config = celeba.get_config()
    config.data.batch_size, config.precision, config.model.image_shape = batch_size, precision, IMAGE_SHAPE
    return config


def prepare_jax(config: Any) -> tuple[Any, Any]:
    """Return the runner of a configuration's training call and its first state, placed."""
    import jax

    from vae_jax import models, parallel
    from vae_jax.training import build, optimizers, state, step

    model, schedule = build.make_model(config), optimizers.make_schedule(config, 1000.0, 10_000)
    tx, objective = optimizers.make_optimizer(config, schedule), build.make_objective(config, 160_000)
    prepare = build.make_prepare(config, flip=config.data.flip)
    call = step.make_train_call(step.make_train_step(model, objective, tx, schedule), prepare)
    runner = parallel.jit_runner(call, parallel.make_mesh())
    fresh = state.create_state(models.init(model, jax.random.key(0)), tx, jax.random.key(1), ema=False)
    return runner, runner.place(fresh)


def lower_step(batch_size: int, precision: str) -> Any:
    """Return our training call, lowered: one step on a batch."""
    runner, state = prepare_jax(make_config(batch_size, precision))
    return runner.call.lower(state, {"image": make_batches(batch_size)[:1]})


def make_jax(batch_size: int, precision: str, *, steps_per_call: int = 1, feed: str = "batches") -> Steps:
    """Our own training call, as `main.py` compiles it.

    `feed`: "batches" lie on the device, ready; "device" gathers them from resident images by index; "host" streams.
    """
    import jax

    from vae_jax.training import feed as feeds

    config = make_config(batch_size, precision)
    config.steps_per_call, config.data.placement = steps_per_call, feed
    runner, current = prepare_jax(config)
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
                flat = images.reshape(-1, *IMAGE_SHAPE)
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
    config = make_config(batch_size, "float32")
    twin = pytorch_vae.Twin(IMAGE_SHAPE, LATENT_DIM, HIDDEN_DIMS).to(device, memory_format=layout)
    step = pytorch_vae.make_train_step(
        twin,
        beta=config.objective.rate.beta,
        learning_rate=config.optimizer.learning_rate,
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
    from vae_jax import host_memory

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
