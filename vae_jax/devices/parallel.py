"""Devices. By default one jitted step over a one-axis mesh: the batch split, everything else replicated.

`pmap` is offered by name and computes the same thing: each device runs the objective on the global batch under the
one key, but encodes and decodes its slice alone and gathers the rest, so that terms over the batch stay what they are.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import jax_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from vae_jax import errors

AXIS = "data"
PyTree = Any


def make_mesh() -> Mesh:
    """Return the mesh over all devices. Auto axes: under Explicit ones, sorts and pairwise terms raise."""
    return jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))


def check_devices(name: str, batch_size: int, mesh: Mesh) -> None:
    """Raise errors.UserError if `config.parallel` or the batch size does not suit the mesh's devices."""
    if name == "pmap" and jax.process_count() > 1:
        raise errors.UserError("config.parallel=pmap is for the devices of one process; use jit for several processes")
    check_batch_size(batch_size, mesh.size)


def check_batch_size(batch_size: int, num_devices: int) -> None:
    """Raise errors.UserError, naming the nearest sizes that do, if a batch does not divide among devices."""
    if batch_size % num_devices:
        below = batch_size // num_devices * num_devices
        sizes = " or ".join(str(size) for size in (below, below + num_devices) if size)
        raise errors.UserError(
            f"config.data.batch_size={batch_size} does not divide among {num_devices} devices; use {sizes}"
        )


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of parameters, state and resident data."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh, *, axis: int = 0) -> NamedSharding:
    """Return the sharding that splits one axis, the batch, among the devices."""
    return NamedSharding(mesh, PartitionSpec(*(None,) * axis, AXIS))


def put(array: np.ndarray, sharding: NamedSharding) -> jax.Array:
    """Lay an array that every process has out as `sharding`; a process reads only the rows of its own devices."""
    return jax.make_array_from_callback(array.shape, sharding, lambda index: np.asarray(array[index]))


def put_batch(images: np.ndarray, mesh: Mesh) -> jax.Array:
    """Split a batch among the devices, or copy it to all where it does not divide (the last of an evaluation)."""
    return put(images, replicated(mesh) if len(images) % mesh.size else split(mesh))


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """Copy a tree of arrays and typed keys, the same in every process, to all devices of the mesh."""

    def copy(leaf: jax.Array) -> jax.Array:
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(copy(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf))
        return put(np.array(leaf), replicated(mesh))

    return jax.tree.map(copy, tree)


def local(tree: PyTree) -> PyTree:
    """Return this process's own copy of replicated arrays, on one device, to compute with alone."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


class Runner(NamedTuple):
    """How a training call runs on the devices: the same face for jit and for pmap."""

    call: Callable[..., Any]  # (state, raw) -> (state, metrics [S]), state laid out as `place` lays it
    place: Callable[[PyTree], PyTree]  # a plain state, copied to the devices
    plain: Callable[[PyTree], PyTree]  # back to arrays without a device axis, replicated over the mesh
    raw_sharding: NamedSharding  # of the uint8 batches [S, B, ...] that `call` takes


@functools.cache
def compiler_options() -> dict[str, str] | None:
    """Return what a training step is compiled with: on a CPU, XLA's own convolutions and products.

    The YNNPACK library that XLA hands them to by default runs a forward convolution on one core; Eigen uses all. Only
    reductions stay with it: XLA's own lose digits over a batch of large maps. None on other platforms, and where this
    jaxlib has no such option.
    """
    options = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_REDUCE"}
    if jax.default_backend() != "cpu":
        return None
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(np.float32(0)).compile()
    except jax.errors.JaxRuntimeError:
        return None
    return options


def jit_runner(call: Callable[..., Any], mesh: Mesh) -> Runner:
    """Run under jit: parameters replicated, axis 1 of the raw batches split."""
    return Runner(
        jax.jit(call, donate_argnums=0, out_shardings=replicated(mesh), compiler_options=compiler_options()),
        lambda state: replicate(state, mesh),
        lambda state: state,
        split(mesh, axis=1),
    )


def pmap_runner(call: Callable[..., Any], mesh: Mesh) -> Runner:
    """Run under pmap; `call` must be made of a `sliced` objective, a model and a step that know AXIS."""
    mapped = jax.pmap(call, axis_name=AXIS, in_axes=(0, None), donate_argnums=0)

    def run(state: PyTree, raw: PyTree) -> tuple[PyTree, PyTree]:
        state, metrics = mapped(state, raw)
        return state, jax.tree.map(lambda leaf: leaf[0], metrics)

    def plain(state: PyTree) -> PyTree:
        return replicate(jax_utils.unreplicate(state), mesh)  # the first copy alone would not go with a split batch

    return Runner(run, jax_utils.replicate, plain, replicated(mesh))


class Sliced:
    """A VAE that encodes and decodes this device's slice of the global batch and gives back the whole.

    The transpose of the gather sums the cotangents of all devices, so that each device's gradient is the number
    of devices times its slice's share, and their mean is the global batch's gradient.
    """

    def __init__(self, vae: Any):
        self._vae = vae

    def encode(self, x: jax.Array) -> Any:
        return _gather(self._vae.encode(_slice(x)))

    def decode(self, z: jax.Array) -> Any:
        return _gather(self._vae.decode(_slice(z)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vae, name)


def sliced(objective: Callable[..., Any]) -> Callable[..., Any]:
    """Return the objective, to be run on every device of a pmap with the global batch and one key."""
    return lambda vae, batch, key, step: objective(Sliced(vae), batch, key, step)


def _slice(array: jax.Array) -> jax.Array:
    size = array.shape[0] // jax.lax.axis_size(AXIS)
    return jax.lax.dynamic_slice_in_dim(array, jax.lax.axis_index(AXIS) * size, size)


def _gather(tree: PyTree) -> PyTree:
    """Put the slices of every leaf together; a scalar, such as a learned sigma, is the same on all devices."""
    return jax.tree.map(lambda leaf: jax.lax.all_gather(leaf, AXIS, tiled=True) if leaf.ndim else leaf, tree)
