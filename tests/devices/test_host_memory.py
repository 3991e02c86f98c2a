"""The settings of compiler and allocator: computed numbers stay what they are, and other systems are left alone."""

import subprocess
import sys

import jax
import pytest

from vae_jax import devices
from vae_jax.devices import cpu_compiler, host_memory

FAULTS = """
import resource, sys
import numpy as np
from vae_jax.devices import host_memory
if sys.argv[1] == "keep" and not host_memory.keep_freed_pages():
    sys.exit("this C library has no mallopt")
np.ones(2**22)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.ones(2**22)  # 32 MB
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_freed_pages_are_kept_for_the_next_request():
    def faults(word):
        ended = subprocess.run([sys.executable, "-c", FAULTS, word], capture_output=True, text=True, check=True)
        return int(ended.stdout)

    assert faults("keep") < 100 < faults("leave")


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_left_alone(monkeypatch, platform):
    monkeypatch.setattr(host_memory.sys, "platform", platform)
    assert not host_memory.keep_freed_pages()


def test_compiler_options_are_for_cpus_that_have_them(monkeypatch):
    assert devices.cpu_compiler_options() in (None, cpu_compiler._OPTIONS)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert cpu_compiler.cpu_compiler_options.__wrapped__() is None
    monkeypatch.undo()
    monkeypatch.setattr(cpu_compiler, "_OPTIONS", {"xla_no_such_option": "1"})
    assert cpu_compiler.cpu_compiler_options.__wrapped__() is None
