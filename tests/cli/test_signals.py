"""A signal ends a mode with its exit code and one line."""

import pathlib
import signal
import subprocess
import sys

import pytest

HOME = pathlib.Path(__file__).resolve().parents[2]


def end(number, body):
    """Return the finished process of a mode that does `body`, which may send itself the signal `number`."""
    script = (
        "import os, signal, sys, time\nfrom vae_jax import cli\nfrom vae_jax.cli import main\n"
        f"number = {int(number)}\n"
        f"def run(*_):\n{body}\n"
        "cli.run = run\n"
        "sys.exit(main.main(['main.py', '--mode', 'encode']))\n"
    )
    return subprocess.run([sys.executable, "-c", script], cwd=HOME, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_mode_in_one_line(number):
    result = end(number, "    os.kill(os.getpid(), number)\n    time.sleep(30)")
    assert result.returncode == 128 + number
    assert result.stderr == "main.py: stopped before the end; every file that was written is whole\n"


def test_a_second_signal_ends_what_holds_on():
    body = (
        "    try:\n        os.kill(os.getpid(), number)\n        time.sleep(30)\n"
        "    finally:\n        os.kill(os.getpid(), number)\n        time.sleep(30)"
    )
    result = end(signal.SIGTERM, body)
    assert result.returncode == 143 and "Traceback" not in result.stderr


def test_the_handlers_of_the_caller_are_put_back():
    from vae_jax.cli import signals

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(signals.Stopped), signals.raising():
        signal.raise_signal(signal.SIGTERM)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
