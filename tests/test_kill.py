"""kill -9 at random moments: the next run finds a good checkpoint, loses no more than the interval, ends the same.

    KILLS=50 pytest -n0 -m slow -s tests/test_kill.py

KILLS is the number of kills (5 by default). Runs are restarted until one is left to end.
"""

import json
import os
import pathlib
import random
import re
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import main
from vae_jax.runs import checkpoint

HOME = pathlib.Path(main.__file__).resolve().parent
INTERVAL = 20
STEPS = 1_000_000  # never reached before the last kill; then the run is given an end
pytestmark = pytest.mark.slow


def start(workdir, num_steps, log):
    words = {
        "num_steps": num_steps,
        "checkpoint_every": INTERVAL,
        "log_every": 1,
        "eval_every": 10 * INTERVAL,
        "image_every": 10**6,
        "data.batch_size": 16,
        "model.hidden_dims": 4,
        "model.latent_dim": 2,
        "optimizer.schedule": "constant",  # cosine depends on the run's length
        "ema_decay": 0.9,
    }
    command = [sys.executable, "main.py", "--workdir", str(workdir)]
    command += [f"--config.{name}={value}" for name, value in words.items()]
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": str(workdir.parent / "compiled"),  # a restart takes seconds
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    return subprocess.Popen(command, cwd=HOME, env=environment, stdout=log, stderr=log)


def last_logged(workdir):
    """The last step whose line is whole, 0 without one: the run went at least that far."""
    try:
        text = (workdir / "metrics.jsonl").read_text()
    except FileNotFoundError:
        return 0
    return max((json.loads(line)["step"] for line in text.splitlines(keepends=True) if line.endswith("\n")), default=0)


def is_saving(workdir):
    return any((workdir / "checkpoints").glob("*tmp*"))


def wait_until(condition, process, log):
    end = time.monotonic() + 300
    while not condition():
        assert process.poll() is None and time.monotonic() < end, log.read_text()
        time.sleep(0.001)


def run_to_the_end(workdir, num_steps, log):
    with open(log, "wb") as stream:
        assert start(workdir, num_steps, stream).wait(1800) == 0, log.read_text()
    return log.read_text()


def test_killed_anywhere_it_goes_on_and_ends_with_the_same_bits(tmp_path):
    chance = random.Random(0)
    workdir, kills, in_save, losses, reached = tmp_path / "killed", int(os.environ.get("KILLS", "5")), 0, [], 0
    for round_number in range(kills):
        log = tmp_path / f"{round_number}.log"
        with open(log, "wb") as stream:
            process = start(workdir, STEPS, stream)
            try:
                if round_number % 5:  # one in five may die while it starts, restores or compiles
                    wait_until(lambda: last_logged(workdir) > reached, process, log)  # noqa: B023 - waited for here
                    time.sleep(chance.uniform(0.0, 0.6))
                    if round_number % 2:  # every other one as soon as a checkpoint is being written
                        wait_until(lambda: is_saving(workdir), process, log)
                        time.sleep(chance.uniform(0.0, 0.03))
                else:
                    time.sleep(chance.uniform(0.0, 12.0))
            finally:
                process.kill()
                process.wait()
        in_save += is_saving(workdir)
        resumed = re.search(r"resuming .* at step (\d+)", log.read_text())
        if resumed:
            losses.append(reached - int(resumed[1]))
        reached = max(last_logged(workdir), int(resumed[1]) if resumed else 0)
    end = (reached // INTERVAL + 2) * INTERVAL + 7
    said = run_to_the_end(workdir, end, tmp_path / "last.log")
    losses.append(reached - int(re.search(r"resuming .* at step (\d+)", said)[1]))
    run_to_the_end(tmp_path / "whole", end, tmp_path / "whole.log")
    print(f"{kills} kills, {in_save} inside a checkpoint, steps lost {losses}, ended at {end}")
    assert max(losses) <= INTERVAL and "damaged" not in said
    one, other = checkpoint.restore_variables(workdir), checkpoint.restore_variables(tmp_path / "whole")
    assert one.step == other.step == end
    for leaf, expected in zip(jax.tree.leaves(one.variables), jax.tree.leaves(other.variables), strict=True):
        np.testing.assert_array_equal(leaf, expected)
    lines = [(path / "metrics.jsonl").read_text() for path in (workdir, tmp_path / "whole")]
    assert lines[0] == lines[1]  # every step is there once, with the same numbers
