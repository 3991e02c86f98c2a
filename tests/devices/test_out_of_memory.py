"""Failed allocations are told from other errors, and end the command in one line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vae_jax import cli
from vae_jax.cli import main
from vae_jax.devices import out_of_memory


def allocate_too_much():
    return jax.block_until_ready(jnp.zeros((2**50,), jnp.uint8) + 1)  # a pebibyte


def test_what_jax_and_numpy_raise_is_recognised():
    with pytest.raises(Exception) as of_jax:
        allocate_too_much()
    with pytest.raises(MemoryError) as of_numpy:
        np.ones(2**57)
    assert out_of_memory.is_out_of_memory(of_jax.value) and out_of_memory.is_out_of_memory(of_numpy.value)
    assert not out_of_memory.is_out_of_memory(ValueError("RESOURCE_EXHAUSTED"))


def test_out_of_memory_is_one_line_with_the_sizes(monkeypatch, workdir, tmp_path, capsys):
    monkeypatch.setattr(cli, "run", lambda *_: allocate_too_much())
    for words, said in (
        (["--workdir", str(workdir), "--mode", "encode"], "images of 8x8x1 in batches of 8; "),
        (["--workdir", str(tmp_path), "--config", "celeba"], "images of 64x64 in batches of 144; "),
        (["--workdir", str(tmp_path)], "config.data.image_size=()) in batches of 64; "),
    ):
        assert main.main(["main.py", *words]) == 2
        line = capsys.readouterr().err
        assert line.count("\n") == 1 and line.startswith("main.py: out of memory (") and said in line
