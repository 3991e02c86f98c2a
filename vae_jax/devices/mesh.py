"""The mesh of all devices, how arrays are laid out on it, and how they get there.

The mesh has one axis. The batch is split along it, and everything else is copied to every device. How a training call
runs on the mesh is in `runner` and `pmap`. Training, evaluation and the benchmarks use this file.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

AXIS = "data"
PyTree = Any


def make_mesh() -> Mesh:
    """Return the mesh over all devices of all processes.

    Its axis is an Auto axis: with an Explicit one, sorting and comparing all pairs of a batch raise an error.
    """
    return jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding that copies an array to every device."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh, *, axis: int = 0) -> NamedSharding:
    """Return the sharding that splits one axis of an array among the devices.

    Args:
        mesh: as `make_mesh` returns it.
        axis: the axis of the array to split, which is the batch.
    """
    return NamedSharding(mesh, PartitionSpec(*(None,) * axis, AXIS))


def put(array: np.ndarray, sharding: NamedSharding) -> jax.Array:
    """Place an array that every process has on the devices; a process reads the rows of its own devices alone."""
    return jax.make_array_from_callback(array.shape, sharding, lambda index: np.asarray(array[index]))


def put_batch(images: np.ndarray, mesh: Mesh) -> jax.Array:
    """Split a batch among the devices, or copy it to all devices if it does not divide among them.

    Args:
        images: [B, ...]; the last batch of an evaluation may have any B.
        mesh: as `make_mesh` returns it.
    """
    return put(images, replicated(mesh) if len(images) % mesh.size else split(mesh))


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """Copy a tree of arrays and typed keys to all devices; the tree is the same in every process."""

    def copy(leaf: jax.Array) -> jax.Array:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(copy(jax.random.key_data(leaf)), impl=jax.random.key_impl(leaf))
        return put(np.array(leaf), replicated(mesh))

    return jax.tree.map(copy, tree)


def local(tree: PyTree) -> PyTree:
    """Return this process's own copy of replicated arrays, on one device, for a computation without the others."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
