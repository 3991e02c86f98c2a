"""One run in many processes: how they find each other, which of them writes, and how they end together.

`jax.distributed` does the work. Every process runs the same program on its share of the devices, and all processes must
see the same workdir. Process 0 is the leader, which alone writes logs, pictures and config.json and holds the workdir's
lock. `main.py` and the training loop use this file.
"""

import contextlib
import os
import pathlib
import re
import sys
import traceback
import warnings
from collections.abc import Iterator

import jax
import numpy as np
from jax.experimental import multihost_utils

from vae_jax import errors
from vae_jax.devices import last_words
from vae_jax.runs import workdir

HEARTBEAT_SECONDS = 20  # after so long a silence a process counts as dead
SHUTDOWN_SECONDS = 20  # that an ending process waits for the other processes
_REMEDY = "the same command in all processes goes on from the last checkpoint"
_TASK_COUNTS = ("SLURM_NTASKS", "OMPI_COMM_WORLD_SIZE")


def join(coordinator: str | None = None, num_processes: int | None = None, process_id: int | None = None) -> None:
    """Join the other processes of this run, or do nothing if the run has a single process.

    An argument that is None is asked of the cluster (SLURM, Open MPI, GKE, a TPU pod), if there is one. Call this
    before anything touches a device.

    Args:
        coordinator: HOST:PORT of process 0, which listens there.
        num_processes: how many processes the run has.
        process_id: the number of this process, from 0.

    Raises:
        errors.UserError: the other processes cannot be found by these arguments.
    """
    asked = (coordinator, num_processes, process_id) != (None, None, None)
    if jax.distributed.is_initialized():
        return  # the user's own program has joined already
    if not asked and any(os.environ.get(name) == "1" for name in _TASK_COUNTS):
        return  # jax would give a single task one of its devices only
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a plain Kubernetes pod is told to install a client
            jax.distributed.initialize(
                coordinator,
                num_processes,
                process_id,
                heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
                shutdown_timeout_seconds=SHUTDOWN_SECONDS,
            )
    except (ValueError, IndexError) as error:
        if not asked and "coordinator_address" in str(error):
            return  # no cluster
        raise errors.UserError(
            f"cannot join the other processes ({_first_line(error)}); "
            "give --coordinator=HOST:PORT, --num_processes=N and --process_id=0..N-1"
        ) from None
    except RuntimeError as error:
        if not asked and "must be called before any JAX calls" in str(error):
            return  # the calling program has used a device already
        raise errors.UserError(f"cannot join the other processes ({_first_line(error)})") from None


def leads() -> bool:
    """Return whether this process is the leader, which alone writes."""
    return jax.process_index() == 0


@contextlib.contextmanager
def leader_first(name: str) -> Iterator[None]:
    """Run the block in process 0 first, and then in the other processes, which find the files of process 0."""
    if not leads():
        multihost_utils.sync_global_devices(name)
    try:
        yield
    finally:
        if leads() and jax.process_count() > 1:
            multihost_utils.sync_global_devices(name)


@contextlib.contextmanager
def locked(path: pathlib.Path) -> Iterator[None]:
    """Hold the workdir for one training by all processes together.

    Raises:
        errors.UserError: another run holds the workdir; the error is raised in all processes.
    """
    refused = None
    with contextlib.ExitStack() as stack:
        if leads():
            try:
                stack.enter_context(workdir.locked(path))
            except errors.UserError as error:
                refused = error
        if jax.process_count() > 1:
            others = multihost_utils.process_allgather(np.int32(refused is not None))
            if others.any() and refused is None:
                refused = errors.UserError(f"process 0 could not lock {path}; see what it says")
        if refused is not None:
            raise refused
        yield


@contextlib.contextmanager
def leaving_when_others_die() -> Iterator[None]:
    """End one of several processes at once, with code 1, when it meets a fault or another process dies.

    The death of another process is one line on standard error. It shows as an error of the next collective, which is a
    JaxRuntimeError or a ValueError that begins with a status, or as the cause of a TimeoutError where a checkpoint
    waited for the process; or jax's coordination service ends this process first. A fault keeps its traceback. In both
    cases neither orbax nor jax can be closed, because they wait for all processes.
    """
    if jax.process_count() == 1:
        yield
        return
    place = f"{pathlib.Path(sys.argv[0]).name}: process {jax.process_index()} of {jax.process_count()}"
    with last_words.prepared(f"{place} was ended from outside, or because another one was; {_REMEDY}") as words:
        try:
            yield
        except (errors.UserError, errors.Diverged):
            raise
        except Exception as error:
            cause = error.__cause__ if isinstance(error, TimeoutError) and error.__cause__ is not None else error
            if re.match("[A-Z_]+: ", str(cause)):
                words.say(f"{place} ends, as another did ({_first_line(cause)}); {_REMEDY}")
            else:
                words.nothing()
                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
