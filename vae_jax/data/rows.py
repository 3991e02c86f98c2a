"""Arrays written row by row, whose length and number of channels are known only at the end."""

import os
import shutil
from pathlib import Path

import numpy as np

from vae_jax import errors
from vae_jax.data import progress

_SLAB = 2**22  # bytes written at a time


class ImageRows:
    """An .npy file of uint8 [N, H, W, C] that grows by appending.

    Rows are grey until the first colour image comes; then those before it are rewritten in colour, once.
    """

    def __init__(self, path: Path, expected: int):
        self._path = path
        self._expected = expected
        self._file = open(path, "wb", buffering=_SLAB)
        self._first = ""
        self._shape = None
        self._count = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None and self._shape is not None:
            self._write_header()
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()

    def append(self, name: str, pixels: np.ndarray) -> None:
        """Write one image, uint8 [H, W, C] with C of 1 or 3.

        Raises:
            UserError: its height and width are not those of the first one, or the disk cannot hold them all.
        """
        if self._shape is None:
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
        self._file.write(np.ascontiguousarray(pixels))
        self._count += 1

    def _begin(self, name: str, shape: tuple[int, ...]) -> None:
        self._first, self._shape = name, tuple(shape)
        self._check_space()
        self._write_header()

    def _check_space(self) -> None:
        needed = self._expected * int(np.prod(self._shape, dtype=np.int64))
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
                self._file.write(np.repeat(old[start : start + step], channels, axis=-1))
        narrow.unlink()


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]}x{shape[1]}"


def save(path: Path, array: np.ndarray) -> None:
    """Write one array to disk, for certain."""
    with open(path, "wb") as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Make a rename in `path` last; a no-op where directories cannot be opened."""
    if os.name == "posix":
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
