"""A run's directory: where things lie in it, its config.json, and one training at a time."""

import contextlib
import fcntl
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

from vae_jax.config import configuration
from vae_jax import errors


def write_atomically(path: pathlib.Path, data: bytes) -> None:
    """Write a whole file or none: to a temporary neighbour, flushed to disk, then renamed."""
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
    """Write a JSON file, whole or not at all."""
    write_atomically(path, (json.dumps(tree, indent=2) + "\n").encode())


def read_lines(path: pathlib.Path) -> list[dict[str, Any]]:
    """Return the objects of a .jsonl file, [] without one; a line cut short by a crash is passed over."""
    lines = []
    for line in path.read_text().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):
            lines.append(json.loads(line))
    return lines


def read_evaluation(path: pathlib.Path) -> dict[str, Any]:
    """Return what is in WORKDIR/evaluation.json, {} without one.

    Raises:
        errors.UserError: the file is damaged.
    """
    file = path / "evaluation.json"
    try:
        return json.loads(file.read_bytes()) if file.exists() else {}
    except ValueError as error:
        raise errors.UserError(f"{file} cannot be read as JSON ({error}); evaluate again, or remove it") from None


def create(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Create the directory and return its absolute path.

    Raises:
        errors.UserError: it is a file, or it cannot be written.
    """
    path = pathlib.Path(workdir).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process's on another machine may have its name
    except OSError as error:
        reason = "is a file" if path.is_file() else f"cannot be written ({error.strerror})"
        raise errors.UserError(f"workdir {workdir} {reason}; choose another --workdir") from None
    return path


def existing(workdir: str | os.PathLike[str]) -> pathlib.Path:
    """Return the absolute path of a directory that holds a run.

    Raises:
        errors.UserError: there is no run in it.
    """
    path = pathlib.Path(workdir).expanduser().absolute()
    if not (path / "checkpoints").is_dir():
        reason = "does not exist" if not path.exists() else "holds no checkpoint"
        raise errors.UserError(f"workdir {workdir} {reason}; train one first: python main.py --workdir {workdir}")
    return path


def read_config(path: pathlib.Path) -> configuration.Config | None:
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
    return configuration.from_run(tree)


@contextlib.contextmanager
def locked(path: pathlib.Path) -> Iterator[None]:
    """Hold the workdir for one training; the lock goes with the process, however it ends.

    Raises:
        errors.UserError: another process is training there.
    """
    with open(path / ".lock", "a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise errors.UserError(
                f"another run is training in {path}; wait for it or choose another --workdir"
            ) from None
        yield
