"""One option of XLA's compiler for training steps on a CPU. `runner` uses it; other platforms ignore it.

Why this file exists: XLA hands convolutions and matrix products on a CPU to the library YNNPACK by default, which runs
a forward convolution on one core. The option gives them back to Eigen, which uses all cores. Reductions stay with
YNNPACK, because XLA's own lose digits over a batch of large maps.
What it gains: a training step of the CelebA network at batch 64 takes 0.28 s instead of 0.41 s on two cores (jaxlib
0.10.2). To measure this again, run `python -m benchmarks.train_step --batch_sizes 64 --variants` as it is, and with
`cpu_compiler_options` made to return None.
When to delete it: as soon as that command shows no difference, or jaxlib no longer has the option.
"""

import functools

import jax
import numpy as np

_OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}


@functools.cache
def cpu_compiler_options() -> dict[str, str] | None:
    """Return the options that a training step is compiled with, or None on other platforms and without the option."""
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda x: x, compiler_options=_OPTIONS).lower(np.float32(0)).compile()
    except jax.errors.JaxRuntimeError:  # this jaxlib does not know the option
        return None
    return _OPTIONS
