"""Arrays written row by row, whose length and number of channels are known only at the end.

Only `vae_jax.data.build` uses this, to write the decoded images of a cache.
"""

import math
import os
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vae_jax import errors
from vae_jax.data import progress

_SLAB = 2**22  # bytes written at a time


class Begun(NamedTuple):
    """What an interrupted writing has left in the file."""

    count: int  # rows that are whole
    shape: tuple[int, ...]  # [H, W, C] of each row
    first: str  # name of the first row's image


class ImageRows:
    """An .npy file of uint8 [N, H, W, C] that grows by appending.

    Rows are grey until the first colour image comes; then those before it are rewritten in colour, once.
    """

    def __init__(self, path: Path, expected: int, begun: Begun | None = None):
        self._path = path
        self._expected = expected
        self._first, self._count = "", 0
        self._shape: tuple[int, ...] = ()
        if begun is None or not begun.count:
            self._file = open(path, "wb", buffering=_SLAB)
            return
        self._first, self._shape, self._count = begun.first, tuple(begun.shape), begun.count
        self._file = open(path, "r+b", buffering=_SLAB)
        self._write_header()
        end = self._file.tell() + self._count * math.prod(self._shape)
        self._file.truncate(end)
        self._file.seek(end)

    @property
    def begun(self) -> Begun:
        """Return how far the file has come."""
        return Begun(self._count, self._shape, self._first)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None and self._shape:
            self._write_header()
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()

    def append(self, name: str, pixels: np.ndarray) -> None:
        """Write one image, uint8 [H, W, C] with C of 1 or 3.

        Raises:
            UserError: its height and width are not those of the first one, or the disk cannot hold them all.
        """
        if not self._shape:
            self._begin(name, pixels.shape)
        if pixels.shape[:2] != self._shape[:2]:
            raise errors.UserError(
                f"images differ in size ({progress.printable(self._first)}: {_size(self._shape)}, "
                f"{progress.printable(name)}: {_size(pixels.shape)}): "
                "set --config.data.image_size=H,W (and --config.data.crop=square to keep proportions)"
            )
        if pixels.shape[2] > self._shape[2]:
            self._widen(pixels.shape[2])
        if pixels.shape != self._shape:
            pixels = np.broadcast_to(pixels, self._shape)
        self._file.write(np.ascontiguousarray(pixels).data)
        self._count += 1

    def _begin(self, name: str, shape: tuple[int, ...]) -> None:
        self._first, self._shape = name, tuple(shape)
        self._check_space()
        self._write_header()

    def _check_space(self) -> None:
        needed = self._expected * math.prod(self._shape)
        free = shutil.disk_usage(self._path.parent).free
        if needed > free:
            raise errors.UserError(
                f"{self._expected:,} images of {_size(self._shape)} need {needed / 1e9:,.1f} GB in the cache and "
                f"{free / 1e9:,.1f} GB are free: set --config.data.image_size=H,W or --config.data.cache_dir=DIR"
            )

    def _write_header(self) -> None:
        # numpy pads the header so that the first axis can grow in place.
        self._file.seek(0)
        header = {"descr": "|u1", "fortran_order": False, "shape": (self._count, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def _widen(self, channels: int) -> None:
        self._write_header()
        self._file.close()
        narrow = self._path.with_suffix(".narrow")
        os.rename(self._path, narrow)
        self._file = open(self._path, "wb", buffering=_SLAB)
        self._shape = (*self._shape[:2], channels)
        self._check_space()
        self._write_header()
        if self._count:
            old = np.load(narrow, mmap_mode="r")
            step = max(1, _SLAB // int(np.prod(self._shape)))
            for start in range(0, self._count, step):
                self._file.write(np.repeat(old[start : start + step], channels, axis=-1).data)
        narrow.unlink()


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}x{shape[1]}"


def reorder(path: Path, rows: np.ndarray) -> None:
    """Rewrite the .npy file so that it holds the given rows, int64 [M], in this order."""
    old = np.load(path, mmap_mode="r")
    new = path.with_suffix(".reordered")
    step = max(1, _SLAB // max(1, math.prod(old.shape[1:])))
    with open(new, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(rows), *old.shape[1:])}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, len(rows), step):
            file.write(np.ascontiguousarray(old[rows[start : start + step]]).data)
        file.flush()
        os.fsync(file.fileno())
    del old
    os.replace(new, path)


def save(path: Path, array: np.ndarray) -> None:
    """Write one array to disk and wait until the disk has it."""
    with open(path, "wb") as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Wait until the disk has a rename in `path`; does nothing where directories cannot be opened."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
