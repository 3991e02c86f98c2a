"""Training as `main.py` does it (logs, evaluation, pictures, checkpoints) against the bare step, in one run.

    python -m benchmarks.main_job --steps 240 --placement device host

Images of CelebA's shape at the default CelebA recipe. A run of the given length is timed less one of a tenth of it, so
that start-up and compilation cancel out; the bare step is timed before and after each. Evaluation, pictures and
checkpoints come as often, and over as many images, per training image as in a full CelebA run.
"""

import argparse
import contextlib
import functools
import io
import statistics
import sys
import tempfile
import time

import jax
import numpy as np

import vae_jax
from benchmarks import contender
from configs import celeba

CELEBA_TRAIN, CELEBA_VALID, CELEBA_EVAL_EVERY, CELEBA_BATCH = 162_770, 19_867, 2_000, 144


def make_data(directory: str, batch_size: int, eval_every: int) -> str:
    """Write an .npz of noise whose validation split is, per evaluation, CelebA's share of the images trained on."""
    num_valid = max(batch_size, round(CELEBA_VALID / (CELEBA_EVAL_EVERY * CELEBA_BATCH) * eval_every * batch_size))
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (2048 + num_valid, *contender.IMAGE_SHAPE), dtype=np.uint8)
    split = np.array(["train"] * 2048 + ["valid"] * num_valid)
    path = f"{directory}/images.npz"
    np.savez(path, images=images, split=split)
    return path


def train_seconds(data: str, steps: int, every: int, batch_size: int, placement: str, steps_per_call: int) -> float:
    """Train from nothing for `steps` steps, and return how long it took."""
    config = celeba.get_config()
    config.num_steps, config.data.batch_size, config.steps_per_call = steps, batch_size, steps_per_call
    config.data.source, config.data.dir, config.data.placement = "npz", data, placement
    config.data.crop, config.data.image_size = "none", ()
    config.eval_every = config.checkpoint_every = config.image_every = every
    with tempfile.TemporaryDirectory() as workdir, contextlib.redirect_stdout(io.StringIO()):
        began = time.perf_counter()
        vae_jax.train(config, workdir)
        return time.perf_counter() - began


def bare_rate(run: contender.Steps, steps: int, batch_size: int) -> float:
    """Return the bare step's images/s."""
    began = time.perf_counter()
    run(steps)
    return steps * batch_size / (time.perf_counter() - began)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--placement", nargs="+", default=["device", "host"])
    parser.add_argument("--steps_per_call", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args(argv)
    short, every = given.steps // 10, given.steps // 3
    bare = contender.make_jax(given.batch_size, "float32", steps_per_call=given.steps_per_call)
    bare(2 * given.steps_per_call)
    measure = functools.partial(bare_rate, bare, max(short, given.steps_per_call), given.batch_size)
    with tempfile.TemporaryDirectory() as directory:
        data = make_data(directory, given.batch_size, every)
        for placement in given.placement:
            seconds = functools.partial(
                train_seconds,
                data,
                every=every,
                batch_size=given.batch_size,
                placement=placement,
                steps_per_call=given.steps_per_call,
            )
            shares, rates = [], []
            for _ in range(given.rounds):
                before = measure()
                spent = seconds(steps=given.steps) - seconds(steps=short)
                rates.append((given.steps - short) * given.batch_size / spent)
                shares.append(rates[-1] / ((before + measure()) / 2))
            print(
                f"{placement}: {statistics.median(rates):.0f} images/s, {statistics.median(shares):.3f} of the bare "
                f"step's ({min(shares):.3f} to {max(shares):.3f}, {given.rounds} rounds)",
                flush=True,
            )
    print(f"{jax.devices()[0].device_kind}, batch {given.batch_size}, {given.steps} steps, jax {jax.__version__}")


if __name__ == "__main__":
    main(sys.argv[1:])
