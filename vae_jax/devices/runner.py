"""How a training call runs on the devices: the interface `Runner`, and the default, which is `jax.jit` over the mesh.

The other runner is in `pmap`. The training setup and the benchmarks choose one.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, NamedSharding

from vae_jax import errors
from vae_jax.devices.cpu_compiler import cpu_compiler_options
from vae_jax.devices.mesh import replicate, replicated, split

PyTree = Any


class Runner(NamedTuple):
    """How a training call runs on the devices; the fields mean the same for jit and for pmap.

    Attributes:
        call: (state, raw) -> (state, metrics [S]), where the state is laid out as `place` lays it.
        place: copies a plain state to the devices.
        plain: returns a state without a device axis, replicated over the mesh.
        raw_sharding: of the uint8 batches [S, B, ...] that `call` takes.
    """

    call: Callable[..., Any]
    place: Callable[[PyTree], PyTree]
    plain: Callable[[PyTree], PyTree]
    raw_sharding: NamedSharding


def jit_runner(call: Callable[..., Any], mesh: Mesh) -> Runner:
    """Return the runner that compiles a call with `jax.jit`: parameters replicated, axis 1 of the batches split.

    Args:
        call: (state, raw) -> (state, metrics), pure.
        mesh: as `make_mesh` returns it.
    """
    options = cpu_compiler_options()
    return Runner(
        call=jax.jit(call, donate_argnums=0, out_shardings=replicated(mesh), compiler_options=options),
        place=lambda state: replicate(state, mesh),
        plain=lambda state: state,
        raw_sharding=split(mesh, axis=1),
    )


def check_devices(name: str, batch_size: int, mesh: Mesh) -> None:
    """Raise if a runner or a batch size does not suit the devices.

    Args:
        name: `config.parallel`, "jit" or "pmap".
        batch_size: `config.data.batch_size`, images of one step on all devices.
        mesh: as `make_mesh` returns it.

    Raises:
        errors.UserError: names the nearest batch sizes that divide among the devices.
    """
    if name == "pmap" and jax.process_count() > 1:
        raise errors.UserError("config.parallel=pmap is for the devices of one process; use jit for several processes")
    if batch_size % mesh.size:
        below = batch_size // mesh.size * mesh.size
        sizes = " or ".join(str(size) for size in (below, below + mesh.size) if size)
        raise errors.UserError(
            f"config.data.batch_size={batch_size} does not divide among {mesh.size} devices; use {sizes}"
        )
