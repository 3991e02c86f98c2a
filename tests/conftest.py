"""JAX made strict for every test, before anything imports it."""

import os

# Eight devices; and little optimisation, since compiling is most of what these tests do.
FLAGS = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import pytest
from absl import flags

from tests.trained_run import folder, workdir  # noqa: F401 - fixtures of every room

jax.config.update("jax_debug_key_reuse", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
flags.FLAGS.mark_as_parsed()


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(0)
