"""The data of a run, which are loaded or given, and compared with the data that the run was trained on so far.

WORKDIR/data_fingerprint.npz identifies the images of each split and names the classes; WORKDIR/held_out.txt lists the
images that are not trained on. Both are written when a run starts.
"""

import pathlib
from collections.abc import Callable

import numpy as np

from vae_jax.config import Config
from vae_jax.data import fingerprint, in_memory, sources
from vae_jax.data.dataset import Dataset
from vae_jax.devices import processes
from vae_jax.runs import workdir


def load(config: Config, images: np.ndarray | None, labels: np.ndarray | None) -> Dataset:
    """Return the data set of a configuration, or of arrays in its place.

    Args:
        config: a whole configuration.
        images: uint8 [N, H, W, C], or None.
        labels: int [N] or [N, A] of the images, or None.
    """
    with processes.leader_first("data"):
        if images is None:
            return sources.load(config.data)
        return in_memory.from_arrays(config.data, images, labels)


def as_before(
    dataset: Dataset, path: pathlib.Path, *, begun: bool, accept_new_data: bool, say: Callable[[str], None]
) -> Dataset:
    """Return the data with which a run continues, and write a fingerprint of these data into its directory.

    Args:
        dataset: the present data.
        path: the run's directory.
        begun: whether the run has a checkpoint.
        accept_new_data: whether other data than before are accepted. An image stays in the split that it was in.
        say: called with a line for each change.

    Raises:
        errors.UserError: the data of a run have changed, and `accept_new_data` is False.
    """
    file = path / workdir.DATA_FINGERPRINT
    changed: list[str] = []
    if begun and file.exists():
        stored = fingerprint.from_bytes(file.read_bytes())
        dataset, changed = fingerprint.reconcile(dataset, stored, accept=accept_new_data)
        for line in changed:
            say(f"the data have changed: {line}")
    if processes.leads() and (changed or not begun or not file.exists()):
        workdir.write_atomically(file, fingerprint.to_bytes(fingerprint.fingerprint(dataset)))
        names = fingerprint.held_out_names(dataset)
        if names:
            workdir.write_atomically(path / "held_out.txt", "".join(f"{name}\n" for name in names).encode())
    return dataset
