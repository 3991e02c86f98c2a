"""Ctrl-C and SIGTERM end a mode at once, with exit code 130 or 143 and no traceback.

Training replaces these handlers by its own while it can checkpoint: see `training/interrupts.py`.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from vae_jax import errors


class Stopped(errors.Interrupted):
    """A signal ended a mode that had not finished."""


@contextlib.contextmanager
def raising() -> Iterator[None]:
    """Raise Stopped in the main thread at the first SIGINT or SIGTERM, and leave at once at the second."""
    if threading.current_thread() is not threading.main_thread():  # other threads may not set handlers
        yield
        return
    seen = False

    def handler(number: int, frame: object) -> None:
        nonlocal seen
        if seen:
            os._exit(128 + number)
        seen = True
        raise Stopped(number)

    previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in previous.items():
            signal.signal(number, old or signal.SIG_DFL)  # None: the handler was not Python's
