"""The runner that is chosen by `config.parallel=pmap`, which computes what the one by `jax.jit` computes.

Every device runs the objective on the global batch with the same key. It encodes and decodes its own slice of the
batch and gathers the slices of the others. So a term over the whole batch, such as a covariance, stays what it is.
"""

from collections.abc import Callable
from typing import Any

import jax
from flax import jax_utils
from jax.sharding import Mesh

from vae_jax.devices.mesh import AXIS, replicate, replicated
from vae_jax.devices.runner import Runner

PyTree = Any


def pmap_runner(call: Callable[..., Any], mesh: Mesh) -> Runner:
    """Return the runner that maps a call over the devices with `jax.pmap`.

    Args:
        call: (state, raw) -> (state, metrics); its objective is `sliced`, and its model and step know AXIS.
        mesh: as `make_mesh` returns it, of one process.
    """
    mapped = jax.pmap(call, axis_name=AXIS, in_axes=(0, None), donate_argnums=0)

    def run(state: PyTree, raw: PyTree) -> tuple[PyTree, PyTree]:
        state, metrics = mapped(state, raw)
        return state, jax.tree.map(lambda leaf: leaf[0], metrics)

    def plain(state: PyTree) -> PyTree:
        # The first device's copy is not enough: evaluation uses the state together with a batch that is split.
        return replicate(jax_utils.unreplicate(state), mesh)

    return Runner(call=run, place=jax_utils.replicate, plain=plain, raw_sharding=replicated(mesh))


class Sliced:
    """A VAE that encodes and decodes this device's slice of the global batch and returns the whole.

    The transpose of the gather sums the cotangents of all devices. So each device's gradient is the gradient of its
    slice's share times the number of devices, and the mean over devices is the gradient of the global batch.
    """

    def __init__(self, vae: Any):
        self._vae = vae

    def encode(self, x: jax.Array) -> Any:
        """Return the posterior of all images of the global batch x [B, H, W, C]."""
        return _gather(self._vae.encode(_slice(x)))

    def decode(self, z: jax.Array) -> Any:
        """Return the prediction for all codes of the global batch z [B, D]."""
        return _gather(self._vae.decode(_slice(z)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vae, name)


def sliced(objective: Callable[..., Any]) -> Callable[..., Any]:
    """Return an objective in a form that every device of a pmap runs with the global batch and the same key."""
    return lambda vae, batch, key, step: objective(Sliced(vae), batch, key, step)


def _slice(array: jax.Array) -> jax.Array:
    size = array.shape[0] // jax.lax.axis_size(AXIS)
    return jax.lax.dynamic_slice_in_dim(array, jax.lax.axis_index(AXIS) * size, size)


def _gather(tree: PyTree) -> PyTree:
    """Join the devices' slices of every leaf; a scalar, such as a learned sigma, is the same on all devices."""
    return jax.tree.map(lambda leaf: jax.lax.all_gather(leaf, AXIS, tiled=True) if leaf.ndim else leaf, tree)
