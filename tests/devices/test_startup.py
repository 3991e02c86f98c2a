"""When a command began, and where its compiled programs are kept."""

import pathlib
import subprocess
import sys
import time

import pytest

from vae_jax.devices import startup


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="where /proc tells")
def test_a_command_began_before_its_first_line():
    script = """
import time
first_line = time.monotonic()
from vae_jax.devices import startup
print(startup.command_began(), first_line)
"""
    tick = 0.02  # of the kernel's clock, twice
    before = time.monotonic()
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    began, first_line = map(float, result.stdout.split())
    assert before - tick <= began < first_line


def test_a_command_began_now_where_nothing_tells(monkeypatch):
    monkeypatch.setattr(pathlib.Path, "read_text", lambda path: "nothing")
    before = time.monotonic()
    assert before <= startup.command_began() <= time.monotonic()


def test_what_the_environment_says_of_the_cache_stands(monkeypatch, tmp_path):
    monkeypatch.setattr(startup.os, "environ", environment := {"JAX_COMPILATION_CACHE_DIR": "mine"})
    startup.keep_compiled_programs(tmp_path)
    assert environment == {"JAX_COMPILATION_CACHE_DIR": "mine", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
