"""The images of each training call, gathered on the device, or on the host ahead of time.

Both ways give the same images. `loop` iterates over the calls; which images a batch has is decided in `data.batches`.
"""

import contextlib
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from vae_jax import devices
from vae_jax.data import batches

DEVICE_SHARE = 0.25  # share of a device's memory that resident images may take
LOOKAHEAD = 4  # number of calls that are gathered ahead of time on the host

Raw = dict[str, jax.Array]  # {"image": uint8 [S, B, H, W, C]}


def call_lengths(step: int, num_steps: int, steps_per_call: int) -> Iterator[tuple[int, int]]:
    """Yield the first step and the number of steps of each call.

    A call has `steps_per_call` steps if it begins at a multiple of this number and does not pass the end, and one step
    otherwise. The calls depend on the steps only, so that a resumed run makes the same calls as an uninterrupted run.

    Args:
        step: the first step.
        num_steps: the step at which training ends.
        steps_per_call: steps in a whole call.
    """
    while step < num_steps:
        whole = step % steps_per_call == 0 and step + steps_per_call <= num_steps
        count = steps_per_call if whole else 1
        yield step, count
        step += count


def fits_device(images: np.ndarray) -> bool:
    """Return whether the images take no more than DEVICE_SHARE of the memory of one device."""
    limit = (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit")
    if limit is None:  # a CPU device has the machine's memory
        limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return images.nbytes <= DEVICE_SHARE * limit


@contextlib.contextmanager
def open_feed(
    config: Any, images: np.ndarray, sharding: Any, first_step: int, num_steps: int
) -> Iterator[Iterator[tuple[int, int, Callable[[], Raw]]]]:
    """Yield an iterator over (step, count, raw), where raw() returns the uint8 batches of the steps of a call.

    Args:
        config: a configuration, of which `seed`, `steps_per_call`, `data.batch_size` and `data.placement` are used.
        images: the training images, uint8 [N, H, W, C].
        sharding: how the batches of a call are divided among the devices.
        first_step: the first step.
        num_steps: the step at which training ends.
    """
    seed, batch_size = config.seed, config.data.batch_size
    calls = call_lengths(first_step, num_steps, config.steps_per_call)

    def indices(step: int, count: int) -> np.ndarray:
        steps = range(step, step + count)
        return np.stack([batches.indices(seed, s, batch_size, len(images)) for s in steps])

    placement = config.data.placement
    if placement == "device" or (placement == "auto" and fits_device(images)):
        resident = devices.put(images, devices.replicated(sharding.mesh))
        gather = jax.jit(lambda data, index: {"image": data[index]}, out_shardings=sharding)
        yield ((step, count, lambda s=step, c=count: gather(resident, indices(s, c))) for step, count in calls)
        return

    def load(call: tuple[int, int]) -> tuple[int, int, np.ndarray, tuple[int, ...]]:
        rows = indices(*call)
        return *call, images[rows[:, own_rows(sharding, rows.shape)]], (*rows.shape, *images.shape[1:])

    def place(rows: np.ndarray, shape: tuple[int, ...]) -> Raw:
        return {"image": jax.make_array_from_process_local_data(sharding, rows, shape)}

    with contextlib.closing(batches.prefetch(load, calls, LOOKAHEAD)) as loaded:
        yield ((s, c, functools.partial(place, rows, shape)) for s, c, rows, shape in loaded)


def own_rows(sharding: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return the positions in a batch that the devices of this process hold.

    Args:
        sharding: how the batches of a call are divided among the devices.
        shape: (S, B), steps of a call and images of a batch.
    """
    positions = np.arange(shape[1])
    slices = sharding.addressable_devices_indices_map(shape).values()
    return np.unique(np.concatenate([positions[index[1]] for index in slices]))
