"""Where encoded images lie: a directory tree, a zip or a single file, read in place. Nothing is unpacked to disk.

A store lists its image files and reads them by name in any process; it also says which files it passes over. What the
directories mean is read in `vae_jax.data.layout`, and how bytes become pixels in `vae_jax.data.images`.
"""

import functools
import os
import stat
import struct
import zipfile
from pathlib import Path
from typing import NamedTuple, Protocol

from vae_jax import errors
from vae_jax.data import file_kinds, images, progress
from vae_jax.data.unused_files import Unused, is_run, runs_among

MAX_FILE_BYTES = 2**28  # a larger file is no picture for a VAE; the limit also bounds what a zip bomb can unfold to


class Member(NamedTuple):
    """One image file of a store."""

    name: str  # relative to the store, with forward slashes
    size: int  # bytes
    stamp: int  # a number that changes when the file changes: modification time in ns, or the CRC of a zip member


class Store(Protocol):
    """Encoded images, readable by name in any process."""

    spec: dict  # JSON from which `workers.KINDS` opens the same store in another process

    def read(self, name: str) -> tuple[bytes, dict]:
        """Return the encoded image, and what else the store knows about this image ("label", "factors").

        Raises:
            images.Unusable: the image cannot be read.
        """
        ...


def open_path(path: Path, flag: str = "--config.data.dir") -> "Directory | Zip | SingleFile":
    """Open a directory, a zip file or a single image.

    Args:
        path: of the data.
        flag: the flag that the user gave `path` with, for messages.

    Raises:
        UserError: there is nothing, or a file of another kind.
    """
    if path.is_dir():
        return Directory(path)
    if not path.is_file():
        raise errors.UserError(f"there is no {path}: set {flag} to a directory of images, a .zip of one, or an image")
    kind = file_kinds.kind_of(path)
    if kind == "image":
        return SingleFile(path)
    if kind == "zip" or path.suffix.lower() == ".zip":
        return Zip(path)
    raise errors.UserError(f"{path} {file_kinds.remedy(kind, flag)}")


class Directory:
    """A tree of image files."""

    def __init__(self, path: str | os.PathLike):
        self._root = Path(path)
        self.spec = {"kind": "directory", "path": str(Path(path).resolve())}

    @property
    def members(self) -> list[Member]:
        """All image files below the root, sorted by name, save hidden ones and those of runs."""
        return self._listing[0]

    @property
    def unused(self) -> Unused:
        """The files below the root that are not members."""
        return self._listing[1]

    @functools.cached_property
    def _listing(self) -> tuple[list[Member], Unused]:
        found, seen, unused = [], set(), Unused()
        for folder, folders, files in os.walk(self._root, followlinks=True):
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:  # a link back to a parent
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            relative = Path(folder).relative_to(self._root)
            if is_run({*folders, *files}):
                unused.runs.append(relative.as_posix())
                folders.clear()
                continue
            folders.sort()
            for file in files:
                name = (relative / file).as_posix()
                if unused.takes(name):
                    continue
                try:
                    status = os.stat(os.path.join(folder, file))
                except OSError:  # a dangling link
                    found.append(Member(name, 0, 0))
                    continue
                found.append(Member(name, status.st_size, status.st_mtime_ns))
        return sorted(found), unused

    def identity(self) -> list:
        """Return JSON that changes whenever an image is added, removed or changed."""
        return [self.spec["path"], self.members]

    def read(self, name: str) -> tuple[bytes, dict]:
        """Return the file's bytes. See `Store.read`."""
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


class SingleFile(Directory):
    """One image file, as if it were alone in its directory."""

    def __init__(self, path: Path):
        super().__init__(path.parent)
        status = path.stat()
        self._only = Member(path.name, status.st_size, status.st_mtime_ns)

    @functools.cached_property
    def _listing(self) -> tuple[list[Member], Unused]:
        return [self._only], Unused()


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
        infos = [self._zip.getinfo(member.name) for member in self.members]
        if infos and all(info.flag_bits & 1 for info in infos):
            raise errors.UserError(f"{path} is encrypted: unpack it with its password, and give the directory instead")

    @property
    def members(self) -> list[Member]:
        """All image files of the zip, sorted by name, save hidden ones, those of __MACOSX and those of runs."""
        return self._listing[0]

    @property
    def unused(self) -> Unused:
        """The files of the zip that are not members."""
        return self._listing[1]

    @functools.cached_property
    def _listing(self) -> tuple[list[Member], Unused]:
        infos = {info.filename: info for info in self._zip.infolist() if not info.is_dir()}
        unused = Unused(runs=runs_among(infos))
        below_runs = tuple(f"{run}/" for run in unused.runs if run)
        found = [
            Member(name, info.file_size, info.CRC)
            for name, info in infos.items()
            if not (below_runs and name.startswith(below_runs)) and not unused.takes(name)
        ]
        return sorted(found), unused

    def identity(self) -> list:
        """Return JSON that changes whenever the zip changes."""
        return [self.spec["path"], *file_identity(Path(self.spec["path"]))]

    def read(self, name: str) -> tuple[bytes, dict]:
        """Return the unpacked bytes of a member. See `Store.read`."""
        try:
            info = self._zip.getinfo(name)
            if info.file_size > MAX_FILE_BYTES:
                raise images.Unusable("too large a file")
            if info.flag_bits & 1:
                raise images.Unusable("encrypted")
            return self._zip.read(name), {}
        except images.Unusable:
            raise
        except Exception as error:  # an unknown method, a bad checksum: zipfile raises errors of no closed list
            raise images.Unusable(f"damaged in the zip: {type(error).__name__}") from None


def file_identity(path: Path) -> list:
    """Return [name, bytes, modification time in ns] of one file."""
    status = path.stat()
    return [path.name, status.st_size, status.st_mtime_ns]


def describe(skipped: list[tuple[str, str]]) -> str:
    """Return the first few skipped images with their reasons, on one line."""
    return progress.names([f"{progress.printable(name)} ({reason})" for name, reason in skipped])
