"""Private directories for cache builds in progress, and the removal of directories whose builder has died.

A builder holds a file lock inside its directory for as long as its process lives, and the system releases that lock
however the process ends. A directory whose lock is free is therefore abandoned. Only `vae_jax.data.build` uses this.
"""

import contextlib
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import filelock

PREFIX = ".building-"
_LOCK = "lock"
_OLD = 7 * 24 * 3600.0  # seconds; the age of an abandoned directory on a file system that has no locks


@contextlib.contextmanager
def private_directory(root: Path) -> Iterator[Path]:
    """Yield an empty directory below `root` that no other process uses.

    The directory is removed at the end, unless the caller has renamed it by then.
    """
    holder, lock = _locked_holder(root)
    try:
        directory = holder / "data"
        directory.mkdir()
        yield directory
    finally:
        shutil.rmtree(holder, ignore_errors=True)
        lock.release()


def _locked_holder(root: Path) -> tuple[Path, filelock.BaseFileLock]:
    while True:
        holder = root / f"{PREFIX}{uuid.uuid4().hex}"
        holder.mkdir()
        lock = filelock.FileLock(holder / _LOCK)
        with contextlib.suppress(NotImplementedError, FileNotFoundError):  # no locks here, or swept just now
            lock.acquire()
        if holder.exists():
            return holder, lock
        lock.release()  # another process swept the directory before it was locked


def remove_abandoned(root: Path) -> None:
    """Remove the directories below `root` whose builders have died."""
    for holder in root.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError, filelock.Timeout):  # Timeout: the builder lives
            _remove_if_abandoned(holder)


def _remove_if_abandoned(holder: Path) -> None:
    if not (holder / _LOCK).exists():
        if time.time() - holder.stat().st_mtime > _OLD:
            shutil.rmtree(holder)
        return
    try:
        with filelock.FileLock(holder / _LOCK, timeout=0):
            shutil.rmtree(holder)
    except NotImplementedError:
        if time.time() - holder.stat().st_mtime > _OLD:
            shutil.rmtree(holder)
