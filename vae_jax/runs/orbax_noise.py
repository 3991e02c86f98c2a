"""What orbax says beside what it raises: its logs, and the tracebacks of what a failed save leaves running."""

import contextlib
import functools
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

LEFTOVER_SECONDS = 20.0  # that each thread of a failed save is waited for


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence orbax: its remarks on its own options, and the tracebacks it logs of errors that it raises as well."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def join_leftovers() -> None:
    """Wait for the threads that a failed save left behind: they write still, and log what ends them."""
    for thread in threading.enumerate():
        if type(thread).__module__.startswith("orbax."):
            with contextlib.suppress(Exception):  # its join raises what it died of
                thread.join(LEFTOVER_SECONDS)


def silence_late_writes() -> None:
    """Keep a failed save from printing tracebacks into the middle of what the process says, now or later.

    Orbax gives up at the first write that fails, and closes the event loop that the other writes report to. Nothing can
    wait for these; so what they have to say is dropped for as long as the process lives.
    """
    if getattr(sys.unraisablehook, "func", None) is not _drop_late_writes:
        sys.unraisablehook = functools.partial(_drop_late_writes, sys.unraisablehook)
        logging.getLogger("asyncio").addFilter(lambda record: "orbax" not in logging.Formatter().format(record))


def _drop_late_writes(hook: Callable[[Any], None], unraisable: Any) -> None:
    if not (isinstance(unraisable.exc_value, RuntimeError) and "loop is closed" in str(unraisable.exc_value)):
        hook(unraisable)
