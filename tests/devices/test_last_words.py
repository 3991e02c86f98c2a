"""One line is left behind, however a process ends."""

import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys
from vae_jax.devices import last_words
with last_words.prepared("prepared") as words:
    exec(sys.argv[1])
"""
ENDS = {
    "in order": ("pass", ""),
    "by an exception": ("raise SystemExit(3)", ""),
    "killed": ("os.kill(os.getpid(), signal.SIGKILL)", "prepared\n"),
    "aborted by C++": ("os.abort()", "prepared\n"),
    "at once": ("os._exit(7)", "prepared\n"),
    "with a line of its own": ("words.say('another'); os._exit(1)", "another\n"),
    "with two lines of its own": ("words.say('another'); words.say('third'); os._exit(1)", "another\n"),
    "with nothing to say": ("words.nothing(); os._exit(1)", ""),
    "with a path in it that is not UTF-8": ("words.say('run-\\udcff'); os._exit(1)", "run-\\udcff\n"),
}


@pytest.mark.parametrize(("end", "said"), ENDS.values(), ids=ENDS)
def test_a_process_that_ends(end, said):
    """Its standard error ends when the speaker does, so all that is said is read."""
    ended = subprocess.run([sys.executable, "-c", SCRIPT, end], capture_output=True, text=True, timeout=60)
    assert ended.stderr == said


def test_a_signal_to_the_whole_group_does_not_silence_it():
    end = "os.setpgrp(); os.killpg(0, signal.SIGKILL)"
    ended = subprocess.run([sys.executable, "-c", SCRIPT, end], capture_output=True, text=True, timeout=60)
    assert ended.stderr == "prepared\n"
