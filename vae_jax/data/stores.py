"""Where encoded images lie: a directory tree or a zip, read in place. Nothing is ever unpacked to disk."""

import functools
import os
import stat
import struct
import zipfile
from pathlib import Path
from typing import NamedTuple, Protocol

from vae_jax import errors
from vae_jax.data import images, progress

MAX_FILE_BYTES = 2**28  # a larger file is no picture for a VAE; also bounds what a zip bomb can unfold to


class Member(NamedTuple):
    """One image file of a store."""

    name: str  # relative to the store, with forward slashes
    size: int  # bytes
    stamp: int  # what changes when the file changes: modification time in ns, or a zip member's CRC


class Store(Protocol):
    """Encoded images, readable by name in any process."""

    spec: dict  # JSON from which `workers.KINDS` opens the same store elsewhere

    def read(self, name: str) -> tuple[bytes, dict]:
        """The encoded image, and what else the store knows about it ("label", "factors").

        Raises:
            images.Unusable: this one image cannot be read.
        """


def open_path(path: Path) -> "Directory | Zip":
    """Open a directory or a zip file.

    Raises:
        UserError: neither, or a damaged zip.
    """
    if path.is_dir():
        return Directory(path)
    if path.is_file():
        return Zip(path)
    raise errors.UserError(f"there is no {path}: set --config.data.dir to a directory of images or a .zip of one")


class Directory:
    """A tree of image files."""

    def __init__(self, path: str | os.PathLike):
        self._root = Path(path)
        self.spec = {"kind": "directory", "path": str(Path(path).resolve())}

    @functools.cached_property
    def members(self) -> list[Member]:
        """All image files below the root, sorted by name; hidden files and directories are passed over."""
        found, seen = [], set()
        for folder, folders, files in os.walk(self._root, followlinks=True):
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:  # a link back to a parent
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            folders.sort()
            relative = Path(folder).relative_to(self._root)
            for file in files:
                name = (relative / file).as_posix()
                if is_image_name(name):
                    try:
                        status = os.stat(os.path.join(folder, file))
                    except OSError:  # a dangling link
                        found.append(Member(name, 0, 0))
                        continue
                    found.append(Member(name, status.st_size, status.st_mtime_ns))
        return sorted(found)

    def identity(self) -> list:
        """Changes whenever a file is added, removed or changed."""
        return [self.spec["path"], self.members]

    def read(self, name: str) -> tuple[bytes, dict]:
        path = self._root / name
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise images.Unusable("not a regular file")
            if status.st_size > MAX_FILE_BYTES:
                raise images.Unusable("too large a file")
            return path.read_bytes(), {}
        except OSError as error:
            raise images.Unusable(f"unreadable: {error.strerror}") from None


class Zip:
    """The image files of a zip, read in place: member names are keys only, never paths on this machine."""

    def __init__(self, path: str | os.PathLike):
        self.spec = {"kind": "zip", "path": str(Path(path).resolve())}
        try:
            self._zip = zipfile.ZipFile(path)
        except (
            zipfile.BadZipFile,
            OSError,
            EOFError,
            ValueError,
            NotImplementedError,
            struct.error,
        ) as error:
            raise errors.UserError(f"{path} is not a readable zip file ({error}): fetch or make it anew") from None

    @functools.cached_property
    def members(self) -> list[Member]:
        """All image files of the zip, sorted by name; hidden ones and __MACOSX are passed over."""
        found = {i.filename: i for i in self._zip.infolist() if not i.is_dir() and is_image_name(i.filename)}
        return sorted(Member(name, i.file_size, i.CRC) for name, i in found.items())

    def identity(self) -> list:
        """Changes whenever the zip changes."""
        return [self.spec["path"], *file_identity(Path(self.spec["path"]))]

    def read(self, name: str) -> tuple[bytes, dict]:
        try:
            if self._zip.getinfo(name).file_size > MAX_FILE_BYTES:
                raise images.Unusable("too large a file")
            return self._zip.read(name), {}
        except images.Unusable:
            raise
        except (
            Exception
        ) as error:  # encrypted, an unknown method, a bad checksum: what zipfile raises is no closed list
            raise images.Unusable(f"damaged in the zip: {type(error).__name__}") from None


def file_identity(path: Path) -> list:
    """[name, bytes, modification time in ns] of one file."""
    status = path.stat()
    return [path.name, status.st_size, status.st_mtime_ns]


def is_image_name(name: str) -> bool:
    """Whether the suffix is an image's and no part of the path is hidden."""
    *folders, file = name.split("/")
    hidden = file.startswith(".") or any(f == "__MACOSX" or (f.startswith(".") and f.strip(".")) for f in folders)
    return not hidden and os.path.splitext(file)[1].lower() in images.SUFFIXES


def describe(skipped: list[tuple[str, str]]) -> str:
    """The first few skipped images with their reasons, on one line."""
    return progress.names([f"{progress.printable(name)} ({reason})" for name, reason in skipped])
