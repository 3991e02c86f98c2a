"""Private directories for builds in progress, and the removal of those whose builder has died.

A builder holds a lock on a file in its directory for as long as it lives; the system releases it however the
process ends, also on another start of the machine. So a directory whose lock can be had is abandoned.
"""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: abandoned directories are told by their age alone
    fcntl = None

PREFIX = ".building-"
_LOCK = "lock"
_OLD = 7 * 24 * 3600.0  # seconds, where there is no lock to ask


@contextlib.contextmanager
def claim(root: Path) -> Iterator[Path]:
    """An empty directory of our own below `root`, gone at the end unless it was renamed."""
    holder, lock = _locked_holder(root)
    try:
        directory = holder / "data"
        directory.mkdir()
        yield directory
    finally:
        shutil.rmtree(holder, ignore_errors=True)
        os.close(lock)


def _locked_holder(root: Path) -> tuple[Path, int]:
    while True:
        holder = root / f"{PREFIX}{uuid.uuid4().hex}"
        holder.mkdir()
        lock = os.open(holder / _LOCK, os.O_CREAT | os.O_RDWR)
        if fcntl is not None:
            fcntl.flock(lock, fcntl.LOCK_EX)
        if (holder / _LOCK).exists():
            return holder, lock
        os.close(lock)  # a sweep came between the making and the locking


def sweep(root: Path) -> None:
    """Remove what dead builders left below `root`."""
    for holder in root.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            _remove_if_abandoned(holder)


def _remove_if_abandoned(holder: Path) -> None:
    if fcntl is None or not (holder / _LOCK).exists():
        if time.time() - holder.stat().st_mtime > _OLD:
            shutil.rmtree(holder)
        return
    lock = os.open(holder / _LOCK, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its builder lives
        shutil.rmtree(holder)
    finally:
        os.close(lock)
