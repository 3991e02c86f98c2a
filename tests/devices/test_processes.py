"""Two real processes on this machine (CPU, gloo) against one: the same run, and how it ends when one of them dies."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import main
from vae_jax import errors
from vae_jax.cli import parse
from vae_jax.devices import processes
from vae_jax.runs import checkpoint

HOME = pathlib.Path(main.__file__).resolve().parent
TINY = [
    "--config.data.source=npz",
    "--config.data.batch_size=16",
    "--config.num_epochs=1",
    "--config.log_every=1",
    "--config.model.hidden_dims=4",
    "--config.model.latent_dim=2",
    "--config.optimizer.name=sgd",  # Adam turns the rounding of a zero gradient into whole steps
]
ALONE = (None, None, None)
COMPILE_FAST = "--xla_backend_optimization_level=0"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """203 images, so that an epoch of 183 is 12 batches of 16 and validation 16 and a ragged 4."""
    path = tmp_path_factory.mktemp("data") / "images.npz"
    np.savez(path, images=np.random.default_rng(0).integers(0, 256, (203, 8, 8, 1)).astype(np.uint8))
    return path


def run_alone(workdir, data, *words):
    assert main.main(["main.py", "--workdir", str(workdir), f"--config.data.dir={data}", *TINY, *words]) == 0


class Pair:
    """Two processes of one run, each with its own stderr."""

    def __init__(self, workdir, data, *words):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {**os.environ, "XLA_FLAGS": COMPILE_FAST, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(HOME)}
        self.logs, self.members = [], []
        for number in range(2):
            self.logs.append(pathlib.Path(f"{workdir}.{number}.log"))
            here = [f"--coordinator=127.0.0.1:{port}", "--num_processes=2", f"--process_id={number}"]
            command = [sys.executable, "main.py", "--workdir", str(workdir), f"--config.data.dir={data}", *TINY]
            with open(self.logs[-1], "wb") as log:
                started = subprocess.Popen([*command, *words, *here], cwd=HOME, env=environment, stdout=log, stderr=log)
            self.members.append(started)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for member in self.members:
            member.kill()
            member.wait()

    def said(self, number):
        return self.logs[number].read_text()

    def wait(self, timeout=300):
        try:
            return [member.wait(timeout) for member in self.members]
        except subprocess.TimeoutExpired:
            pytest.fail(f"not ended after {timeout} s:\n{self.said(0)}\n{self.said(1)}")

    def wait_for(self, text, timeout=300, *, number=0, ended=False):
        end = time.monotonic() + timeout
        while text not in self.said(number):
            assert time.monotonic() < end and (ended or self.members[number].poll() is None), self.said(number)
            time.sleep(0.05)


def metrics(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def assert_equal_runs(one, other):
    """Metrics and variables agree to 1e-5 of the largest of their tree."""
    assert len(metrics(one)) == len(metrics(other)) > 0
    for line, expected in zip(metrics(one), metrics(other), strict=True):
        assert line.keys() == expected.keys() and line["split"] == expected["split"]
        for name in line.keys() - {"split"}:
            np.testing.assert_allclose(line[name], expected[name], rtol=1e-5, atol=1e-6, err_msg=f"{name} {line}")
    mine, theirs = checkpoint.restore_variables(one), checkpoint.restore_variables(other)
    assert mine.step == theirs.step
    for field in ("params", "batch_stats"):
        leaves, others = (jax.tree.leaves(restored.variables[field]) for restored in (mine, theirs))
        largest = max(np.abs(leaf).max() for leaf in others)
        for leaf, expected in zip(leaves, others, strict=True):
            np.testing.assert_allclose(leaf, expected, rtol=0, atol=1e-5 * largest)


@pytest.mark.slow
def test_two_processes_are_one_run(tmp_path, data):
    """An epoch, the ragged last batch of evaluation, and one voice: the other process says and writes nothing."""
    with Pair(tmp_path / "two", data) as pair:
        run_alone(tmp_path / "one", data)
        assert pair.wait() == [0, 0], pair.said(0) + pair.said(1)
    assert_equal_runs(tmp_path / "two", tmp_path / "one")
    assert "finished 12 steps" in pair.said(0) and "step" not in pair.said(1)
    assert (tmp_path / "two" / "images" / "samples_0000012.png").exists()
    assert len(list((tmp_path / "two" / "tensorboard").iterdir())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("placement", ["device", "host"])
def test_a_checkpoint_of_two_is_restored_by_one_and_the_reverse(tmp_path, data, placement):
    words = [f"--config.data.placement={placement}"]
    longer = [*words, "--config.num_epochs=2"]
    with Pair(tmp_path / "two", data, *words) as pair:
        run_alone(tmp_path / "one", data, *words)
        assert pair.wait() == [0, 0], pair.said(0) + pair.said(1)
    with Pair(tmp_path / "one", data, *longer) as pair:
        run_alone(tmp_path / "two", data, *longer)
        assert pair.wait() == [0, 0], pair.said(0) + pair.said(1)
        assert "resuming" in pair.said(0) and "at step 12" in pair.said(0)
    assert_equal_runs(tmp_path / "two", tmp_path / "one")


@pytest.mark.slow
@pytest.mark.parametrize(("victim", "survivor"), [(1, 0), (0, 1)], ids=["worker", "coordinator"])
def test_when_one_is_killed_the_other_ends_within_a_minute(tmp_path, data, victim, survivor):
    """Each leaves one line, the killed one too, whether jax's coordination service or Python sees the death first."""
    with Pair(tmp_path / "two", data, "--config.num_epochs=100000", "--config.checkpoint_every=10") as pair:
        pair.wait_for("step 30/")
        pair.members[victim].kill()
        began = time.monotonic()
        assert pair.members[survivor].wait(60) != 0
        print(f"ended {time.monotonic() - began:.1f} s after the other was killed")
        for number in range(2):
            pair.wait_for("main.py:", 10, number=number, ended=True)  # the speaker outlives its process for a moment
    for number in range(2):
        said = [line for line in pair.said(number).splitlines() if line.startswith("main.py:")]
        assert len(said) == 1 and "Traceback" not in pair.said(number), pair.said(number)
        assert f"process {number} of 2" in said[0] and "goes on from the last checkpoint" in said[0]
    assert checkpoint.restore_variables(tmp_path / "two").step >= 20


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_to_one_stops_all_at_the_same_step(tmp_path, data, number, code):
    with Pair(tmp_path / "two", data, "--config.num_epochs=100000") as pair:
        pair.wait_for("step 30/")
        pair.members[1].send_signal(number)
        assert pair.wait() == [143, code], pair.said(0) + pair.said(1)
    step = checkpoint.restore_variables(tmp_path / "two").step
    assert f"stopped at step {step}" in pair.said(0)


@pytest.mark.slow
def test_a_second_run_in_the_workdir_is_refused_in_all_processes(tmp_path, data):
    with Pair(tmp_path / "two", data, "--config.num_epochs=100000") as pair:
        pair.wait_for("step 30/")
        with Pair(tmp_path / "two", data) as second:
            assert second.wait() == [2, 2], second.said(0) + second.said(1)
        assert pair.members[0].poll() is None


def test_alone_nothing_is_joined(monkeypatch):
    processes.join(*ALONE)
    monkeypatch.setenv("SLURM_NTASKS", "1")
    processes.join(*ALONE)
    assert jax.process_count() == 1


@pytest.mark.parametrize("asked", [ALONE, ("h:1", 2, 0)], ids=["found by the cluster", "told"])
def test_silence_of_half_a_minute_is_death(monkeypatch, asked):
    told = {}
    monkeypatch.setattr(jax.distributed, "initialize", lambda *where, **options: told.update(options, where=where))
    processes.join(*asked)
    assert told["where"] == asked
    assert told["heartbeat_timeout_seconds"] <= 30 and told["shutdown_timeout_seconds"] <= 30


@pytest.mark.parametrize("waiting", [False, True], ids=["in a step", "in a checkpoint"])
def test_the_death_of_another_process_is_one_line(monkeypatch, capfd, waiting):
    class Left(Exception):
        pass

    def leave(code):
        raise Left(code)

    monkeypatch.setattr(processes.os, "_exit", leave)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    with pytest.raises(Left, match="1"), processes.leaving_when_others_die():
        death = ValueError("UNAVAILABLE: the others\nare gone")
        if waiting:
            raise TimeoutError("Timed out while waiting for a barrier.") from death
        raise death
    (said,) = capfd.readouterr().err.splitlines()
    assert "(UNAVAILABLE: the others); the same command in all processes goes on from the last checkpoint" in said


def test_half_of_the_flags_is_the_users_mistake(monkeypatch):
    script = (
        "from vae_jax import errors\nfrom vae_jax.devices import processes\n"
        "for given in [('h:1', 2, None), ('h', 2, 1), ('h:1', 2, 2), (None, 2, 0)]:\n"
        "    try:\n        processes.join(*given)\n"
        "    except errors.UserError as error:\n        print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], cwd=HOME, capture_output=True, text=True, check=True).stdout
    assert len(said.splitlines()) == 4
    assert all("cannot join" in line and "--coordinator=HOST:PORT" in line for line in said.splitlines())


def test_flags_reach_the_training_alone(tmp_path):
    words = ["--coordinator=h:1", "--num_processes=4", "--process_id=3"]
    given = parse.parse(words).options
    assert (given.coordinator, given.num_processes, given.process_id) == ("h:1", 4, 3)
    with pytest.raises(errors.UserError, match="process_id"):
        parse.parse(["--process_id=-1"])
