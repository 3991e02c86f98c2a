"""What orbax prints beside the errors that it raises, and how it is kept out of what a run says.

Why this file exists: orbax logs remarks on its own options and the tracebacks of errors that it raises as well. After a
save that failed, threads of orbax go on to write, and print a traceback for each file.
What it gains: a full disk is one line; `pytest -m slow tests/training/test_full_disk.py` fills a disk and reads it. Up
to 226 tracebacks were seen without this file (orbax-checkpoint 0.12.8).
When to delete it: as soon as that test passes without it.
"""

import contextlib
import functools
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

LEFTOVER_SECONDS = 20.0  # that `join_leftovers` waits for each thread


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence what orbax logs, inside the block."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def join_leftovers() -> None:
    """Wait for the threads that a failed save left behind, because they still write and log."""
    for thread in threading.enumerate():
        if type(thread).__module__.startswith("orbax."):
            with contextlib.suppress(Exception):  # `join` raises the error that ended the thread
                thread.join(LEFTOVER_SECONDS)


def silence_late_writes() -> None:
    """Drop the tracebacks of late writes of a failed save, for as long as the process lives.

    Orbax gives up at the first write that fails, and closes the event loop that the other writes report to. Nothing can
    wait for these writes, so their errors would be printed at any later moment.
    """
    if getattr(sys.unraisablehook, "func", None) is not _drop_late_writes:
        sys.unraisablehook = functools.partial(_drop_late_writes, sys.unraisablehook)
        logging.getLogger("asyncio").addFilter(lambda record: "orbax" not in logging.Formatter().format(record))


def _drop_late_writes(hook: Callable[[Any], None], unraisable: Any) -> None:
    """Pass an unraisable error on to a hook, unless the error is of a write to a closed event loop."""
    if not (isinstance(unraisable.exc_value, RuntimeError) and "loop is closed" in str(unraisable.exc_value)):
        hook(unraisable)
