"""Training as `main.py` does it (logs, evaluation, pictures, checkpoints) against the bare step, in one run.

    python -m benchmarks.main_job --placement device host

`main.py` runs the CelebA recipe on made images of CelebA's shape; the bare step is timed before and after. What it
prints is timed as it comes: lines of the log tell the pace between events; what an interval with an event took beyond
that is the evaluation (up to its line), and pictures with a checkpoint (after it). In so short a run the events come a
hundred times as often as in earnest, so the share is told twice: of this run, and at the recipe's own intervals.
"""

import argparse
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib import metadata
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks import contender, turns
from vae_jax.configs import celeba

HOME = pathlib.Path(__file__).resolve().parents[1]
CELEBA_VALID = 19_867  # images
NUM_TRAIN, NUM_VALID = 4096, 512
LOG_EVERY, EVENT_EVERY = 10, 30  # steps


class Course(NamedTuple):
    """Seconds of a run, from the second event on; the first loads what the others run."""

    step: float  # between events
    evaluation: float
    rest: float  # pictures and a checkpoint, and what a checkpoint's writing took from the steps after it
    whole: float  # a step, events included


def read_course(lines: Iterable[tuple[float, str]]) -> Course:
    """Return the course of what `main.py` printed, each line with the second it came at."""
    logged, evaluated, line = {}, {}, "none"
    for second, line in lines:
        if found := re.match(r"(eval at )?step (\d+)", line):
            (evaluated if found[1] else logged)[int(found[2])] = second
    events = sorted(step for step in evaluated if step % EVENT_EVERY == 0)[1:]
    if len(events) < 2:
        raise RuntimeError(f"the run ended after {max(logged, default=0)} steps; its last line: {line}")
    plain = [
        logged[step + LOG_EVERY] - logged[step]
        for step in range(events[0], events[-1], LOG_EVERY)
        if step not in evaluated
    ]
    steps, num_periods = events[-1] - events[0], len(events) - 1
    whole, step = logged[events[-1]] - logged[events[0]], median(plain) / LOG_EVERY
    evaluation = sum(evaluated[event] - logged[event] for event in events[:-1])
    return Course(step, evaluation / num_periods, (whole - evaluation - step * steps) / num_periods, whole / steps)


def run_main(data: pathlib.Path, workdir: pathlib.Path, batch_size: int, num_steps: int, placement: str, scan: int):
    """Run `main.py` to its end, and yield (second, line) of what it prints as it comes."""
    fields = {
        "num_steps": num_steps,
        "data.batch_size": batch_size,
        "data.placement": placement,
        "steps_per_call": scan,
        "data.source": "npz",
        "data.dir": data,
        "data.crop": "none",
        "data.image_size": "()",
        "log_every": LOG_EVERY,
    } | dict.fromkeys(("eval_every", "image_every", "checkpoint_every"), EVENT_EVERY)
    words = [f"--config.{name}={value}" for name, value in fields.items()]
    command = [sys.executable, "main.py", "--config", "configs/celeba.py", "--workdir", str(workdir), *words]
    with subprocess.Popen(command, cwd=HOME, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr or ():
            yield time.monotonic(), line.rstrip()


def at_the_recipes_intervals(course: Course) -> float:
    """Return the seconds a step takes on average where events come as `configs/celeba.py` has them."""
    config = celeba.get_config()
    evaluation = course.evaluation * CELEBA_VALID / NUM_VALID
    return course.step + evaluation / config.eval_every + course.rest / config.checkpoint_every


def make_data(path: pathlib.Path) -> pathlib.Path:
    """Write an .npz of noise."""
    images = np.random.default_rng(0).integers(0, 256, (NUM_TRAIN + NUM_VALID, *contender.IMAGE_SHAPE), dtype=np.uint8)
    np.savez(path, images=images, split=np.array(["train"] * NUM_TRAIN + ["valid"] * NUM_VALID))
    return path


def row(placement: str, batch_size: int, bare: float, course: Course) -> str:
    """Return a row of the table; `bare` is in seconds a step."""
    shares = [bare / seconds for seconds in (course.step, at_the_recipes_intervals(course), course.whole)]
    return (
        f"| {placement} | {batch_size / bare:.0f} | {batch_size / course.step:.0f} | "
        + " | ".join(f"{share:.3f}" for share in shares)
        + f" | {course.evaluation:.2f} | {course.rest:.2f} |"
    )


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--placement", nargs="+", default=["device", "host"])
    parser.add_argument("--steps_per_call", type=int, default=1, help="a divisor of 10")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args(argv)
    scan, batch_size, num_steps = given.steps_per_call, given.batch_size, 4 * EVENT_EVERY
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("jax", "flax", "orbax-checkpoint"))
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, batch {batch_size}, {versions}\n")
    print("| placement | bare images/s | main.py's, between events | share | share at the recipe's intervals |", end="")
    print(f" share of this run | evaluation of {NUM_VALID}, s | pictures and checkpoint, s |\n" + "|--" * 8 + "|")
    with tempfile.TemporaryDirectory() as made:
        directory = pathlib.Path(made)
        data = make_data(directory / "images.npz")
        list(run_main(data, directory / "first", batch_size, EVENT_EVERY, "device", scan))  # compiles
        bare = turns.Contender(framework="jax", batch_size=batch_size, precision="float32", steps_per_call=scan)
        for placement in given.placement:
            for index in range(given.rounds):
                workdir = directory / f"{placement}{index}"
                looks = [bare.seconds(LOG_EVERY) for _ in range(6)]
                course = read_course(run_main(data, workdir, batch_size, num_steps, placement, scan))
                looks += [bare.seconds(LOG_EVERY) for _ in range(6)]
                print(row(placement, batch_size, median(looks) / LOG_EVERY, course), flush=True)
        bare.close()


if __name__ == "__main__":
    main(sys.argv[1:])
