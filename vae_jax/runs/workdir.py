"""A run's directory: its path, its files of JSON, and the lock that admits one training at a time.

Checkpoints are in `checkpoint`, and what is logged is in `metric_writer`. Training and every mode use this file.
"""

import contextlib
import json
import math
import os
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any

import filelock

from vae_jax import errors
from vae_jax.config import Config, serialization

DEEPEST = 256  # characters that the paths of a run's files may have beyond the workdir's

DATA_FINGERPRINT = "data_fingerprint.npz"  # what identifies the data of a run


def write_atomically(path: pathlib.Path, data: bytes) -> None:
    """Write a file whole or not at all: the data go to a temporary file on the disk, which is then renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: pathlib.Path, tree: Any) -> None:
    """Write a JSON file, whole or not at all; numbers that are not finite, which JSON has no words for, become null."""
    write_atomically(path, (json.dumps(finite(tree), indent=2, allow_nan=False) + "\n").encode())


def finite(tree: Any) -> Any:
    """Return a tree of JSON in which None stands for every number that is not finite."""
    if isinstance(tree, dict):
        return {name: finite(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [finite(value) for value in tree]
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """Return the objects of a .jsonl file, or [] if there is no file; a line that a crash cut short is passed over."""
    lines = []
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):
            lines.append(json.loads(line))
    return lines


def read_evaluation(path: pathlib.Path) -> dict[str, Any]:
    """Return what is in WORKDIR/evaluation.json, or {} if there is no such file.

    Raises:
        errors.UserError: the file is damaged.
    """
    file = path / "evaluation.json"
    try:
        return json.loads(file.read_bytes()) if file.exists() else {}
    except ValueError as error:
        raise errors.UserError(f"{file} cannot be read as JSON ({error}); evaluate again, or remove it") from None


def absolute(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Return the absolute path of a directory as the user wrote it; a leading `~` is the home directory.

    Raises:
        errors.UserError: the text is empty or a URL, which is no path of a file system, or there is no such user.
    """
    text = os.fsdecode(workdir)
    if not text or "\0" in text:
        raise errors.UserError(f"workdir {text!r} is no path; give the path of a directory by --workdir")
    if url := re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", text):
        remedy = f"give {text[url.end() :]}" if url[1] == "file" else "mount it and give the path where it is mounted"
        raise errors.UserError(f"workdir {text} is a URL, and runs are kept on file systems alone; {remedy}")
    try:
        return pathlib.Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise errors.UserError(f"workdir {text} cannot be found ({error}); choose another --workdir") from None


def create(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Create the directory and return its absolute path.

    Raises:
        errors.UserError: it is a file or no path, or it cannot be written.
    """
    path = absolute(workdir)
    try:
        path.mkdir(parents=True, exist_ok=True)
        # The probe's path is as long as the longest one that a run writes; the system counts "/." without effect.
        probe = f"{path}{'/.' * (DEEPEST // 2)}/.probe.{os.getpid()}"
        with open(probe, "a"):
            pass
        with contextlib.suppress(FileNotFoundError):  # a process on another machine may have removed its own
            os.unlink(probe)
    except OSError as error:
        reason = "is a file" if os.path.isfile(path) else f"cannot be written ({error.strerror})"
        raise errors.UserError(f"workdir {workdir} {reason}; choose another --workdir") from None
    return path


def existing(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Return the absolute path of a directory that holds a run.

    Raises:
        errors.UserError: there is no run in it.
    """
    path = absolute(workdir)
    try:
        holds, exists = (path / "checkpoints").is_dir(), path.exists()
    except OSError as error:
        raise errors.UserError(f"workdir {workdir} cannot be read ({error.strerror}); choose another one") from None
    if not holds:
        reason = "holds no checkpoint" if exists else "does not exist"
        raise errors.UserError(f"workdir {workdir} {reason}; train a run there first, with --workdir {workdir} alone")
    return path


def read_config(path: pathlib.Path) -> Config | None:
    """Return the configuration in WORKDIR/config.json, or None if no run was started there.

    Raises:
        errors.UserError: the file cannot be read as one.
    """
    file = path / "config.json"
    try:
        tree = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise errors.UserError(
            f"{file} cannot be read as JSON ({error}); restore it or choose another workdir"
        ) from None
    if not isinstance(tree, dict):
        raise errors.UserError(f"{file} is not a run's configuration; restore it or choose another workdir")
    return serialization.from_run(tree)


@contextlib.contextmanager
def locked(path: pathlib.Path) -> Iterator[None]:
    """Hold the workdir for one training. The lock ends with the process, however the process ends.

    Some file systems have no locks. There a line on standard error says so, and training goes on without.

    Raises:
        errors.UserError: another process is training there, or WORKDIR/.lock is a file of another user.
    """
    lock = filelock.FileLock(path / ".lock", blocking=False, fallback_to_soft=False)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise errors.UserError(f"another run is training in {path}; wait for it or choose another --workdir") from None
    except PermissionError as error:
        raise errors.UserError(f"{path / '.lock'} cannot be opened ({error.strerror}); remove the file") from None
    except OSError as error:
        print(
            f"the file system of {path} has no locks ({error.strerror}), so nothing keeps a second training out of it; "
            "start none there",
            file=sys.stderr,
        )
    try:
        yield
    finally:
        lock.release()
