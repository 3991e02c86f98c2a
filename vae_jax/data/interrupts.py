"""Ctrl-C and SIGTERM while images are decoded: decoding stops between two images and keeps what it has.

Signals during training are handled in `vae_jax.training.interrupts`, whose handlers come back when decoding ends.
"""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

from vae_jax import errors

Check = Callable[[], None]  # raises errors.Interrupted if the process has been asked to stop


def never() -> None:
    """Do nothing, in place of a check."""


@contextlib.contextmanager
def noticed() -> Iterator[Check]:
    """Yield a check that raises errors.Interrupted after a first SIGINT or SIGTERM; a second one ends the process.

    Only the main thread can handle signals; in others the check does nothing. A handler that was not installed from
    Python, such as jax's in a run of several processes, is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield never
        return
    received: list[int] = []

    def handler(number: int, frame: object) -> None:
        if received:
            os._exit(128 + number)
        received.append(number)

    def check() -> None:
        if received:
            raise errors.Interrupted(received[0])

    ours = [n for n in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(n) is not None]
    previous = {number: signal.signal(number, handler) for number in ours}
    try:
        yield check
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
