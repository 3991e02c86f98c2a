"""SIGTERM and Ctrl-C: asked once, the run finishes its step and checkpoints; asked twice, it leaves at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator


class Interrupt:
    """What the handler leaves for the loop to see."""

    signal: int | None = None


@contextlib.contextmanager
def deferred() -> Iterator[Interrupt]:
    """Note a first SIGINT or SIGTERM instead of dying of it. Only the main thread can; others get no handler."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def handler(number: int, frame: object) -> None:
        if interrupt.signal is not None:
            os._exit(128 + number)
        interrupt.signal = number

    previous = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, old in previous.items():
            signal.signal(number, old)
