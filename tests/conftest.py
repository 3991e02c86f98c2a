"""JAX made strict for every test, before anything imports it, and shapes in signatures checked at every call."""

import os

# Eight devices; and little optimisation, since compiling is most of what these tests do.
FLAGS = "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import jaxtyping
import pytest
from absl import flags

from tests import shapes

jaxtyping.install_import_hook(shapes.ROOMS, "tests.shapes.checked")  # before any of these rooms is imported

from tests.trained_run import folder, workdir  # noqa: F401 - fixtures of every room

jax.config.update("jax_debug_key_reuse", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
flags.FLAGS.mark_as_parsed()


@pytest.fixture
def key() -> jax.Array:
    return jax.random.key(0)


@pytest.fixture
def without_shape_checks():
    """For tests of what a function itself says of a wrong shape, which the check of signatures would say before it."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
