"""Named arrays in .npz, .npy and HDF5 files, listed by their headers and read on demand.

Nothing is ever unpickled, and no header is believed that claims more than the file holds. What the arrays mean is read
in `vae_jax.data.array_names`, and the source "npz" (`vae_jax.data.arrays`) puts both together.
"""

import dataclasses
import functools
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from vae_jax import errors
from vae_jax.data import file_kinds

SUFFIXES = (".npz", ".npy", ".h5", ".hdf5")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One array of a file, not yet read.

    Attributes:
        key: the name of the array in its file.
        path: of the file.
        shape: of the array.
        dtype: of the array; object where its values are Python objects, which are never read.
        read: returns the array.
    """

    key: str
    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[], np.ndarray]

    @property
    def num_bytes(self) -> int:
        """The size of the array in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def describe(self) -> str:
        """Return the key with the type and the shape of the array."""
        kind = "Python objects" if self.dtype.hasobject else str(self.dtype)
        return f"{self.key} {kind} {list(self.shape)}"


def entries(path: Path) -> list[Entry]:
    """List the arrays of one file.

    Raises:
        UserError: the file is damaged or of another kind, or reading it needs a package that is not installed.
    """
    kind = file_kinds.kind_of(path)
    if kind == "hdf5":
        return _hdf5_entries(path)
    if kind == "npy":
        return [_npy_entry(path)]
    if kind not in ("npz", "zip") and path.suffix.lower() != ".npz":
        raise errors.UserError(f"{path} is not a file of arrays (.npz, .npy, .h5): set --config.data.dir to one")
    try:
        with zipfile.ZipFile(path) as archive:
            return [_member_entry(path, archive, info) for info in archive.infolist() if not info.is_dir()]
    except errors.UserError:
        raise
    except Exception as error:  # zipfile and numpy raise errors of no closed list on hostile headers
        raise _unreadable(path, error) from None


def read_all(chosen: list[Entry]) -> list[np.ndarray]:
    """Read arrays, after checking that they fit this machine's memory.

    Raises:
        UserError: they do not fit, hold Python objects, or a file is damaged.
    """
    check_memory(chosen[0].path, sum(entry.num_bytes for entry in chosen))
    arrays = []
    for entry in chosen:
        try:
            if entry.dtype.hasobject:
                raise ValueError(f"{entry.key} holds Python objects")
            arrays.append(entry.read())
        except errors.UserError:
            raise
        except Exception as error:  # as in `entries`
            raise _unreadable(entry.path, error) from None
    return arrays


def check_memory(path: Path, num_bytes: int) -> None:
    """Refuse what cannot fit this machine, before anything is allocated.

    Raises:
        UserError: `num_bytes` are more than the memory of this machine.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 2**36
    if num_bytes > memory:
        raise errors.UserError(
            f"{path} unfolds to {num_bytes / 1e9:,.0f} GB and this machine has {memory / 1e9:,.0f}: "
            "make it smaller, or store the images as files (--config.data.source=folder)"
        )


def _unreadable(path: Path, error: Exception) -> errors.UserError:
    suffix = path.suffix or "array"
    return errors.UserError(f"{path} is not a readable {suffix} file ({error}): make or fetch it anew")


def _member_entry(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    with archive.open(info) as file:
        if not info.filename.endswith(".npy"):
            read = functools.partial(_fail, "it is not an array")
            return Entry(info.filename, path, (info.file_size,), np.dtype("V1"), read)
        shape, _, dtype = _read_header(file, info.file_size)

    def read() -> np.ndarray:
        with zipfile.ZipFile(path) as archive, archive.open(info) as file:
            return _read_npy(file, info.file_size)

    return Entry(info.filename.removesuffix(".npy"), path, shape, dtype, read)


def _npy_entry(path: Path) -> Entry:
    size = path.stat().st_size
    try:
        with open(path, "rb") as file:
            shape, _, dtype = _read_header(file, size)
    except Exception as error:  # numpy raises errors of no closed list on hostile headers
        raise _unreadable(path, error) from None
    return Entry(path.stem, path, shape, dtype, lambda: np.load(path, mmap_mode="r", allow_pickle=False))


def _fail(message: str) -> np.ndarray:
    raise ValueError(message)


def _read_header(file, size: int) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Read the header of one array, and compare it with the `size` bytes that are there."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"npy format {version}")
    if not dtype.hasobject and (min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != size - file.tell()):
        raise ValueError(f"shape {shape} does not fit its {size:,} bytes")
    return shape, fortran, dtype


def _read_npy(file: IO[bytes], size: int) -> np.ndarray:
    shape, fortran, dtype = _read_header(file, size)
    array = np.frombuffer(file.read(), dtype)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)


def _hdf5_entries(path: Path) -> list[Entry]:
    try:
        import h5py
    except ImportError:
        raise errors.UserError(f"reading {path} needs h5py: pip install 'vae_jax[hdf5]'") from None
    found: list[Entry] = []

    def read(key: str) -> np.ndarray:
        with h5py.File(path, "r") as file:
            return np.asarray(file[key])

    def visit(key: str, item) -> None:
        if isinstance(item, h5py.Dataset):
            found.append(Entry(key, path, tuple(item.shape or ()), item.dtype, functools.partial(read, key)))

    try:
        with h5py.File(path, "r") as file:
            file.visititems(visit)
    except Exception as error:  # h5py raises errors of no closed list on damaged files
        raise _unreadable(path, error) from None
    return found
