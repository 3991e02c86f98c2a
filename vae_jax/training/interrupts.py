"""SIGTERM and Ctrl-C: asked once, the run finishes its step and checkpoints; asked twice, it leaves at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import jax
from jax.experimental import multihost_utils


class Interrupt:
    """What the handler leaves for the loop to see."""

    signal: int | None = None

    def reached(self, call: int) -> bool:
        """Return whether to stop now, after the loop's call number `call`; the same answer in all processes."""
        if jax.process_count() == 1:
            return self.signal is not None
        if not multihost_utils.reached_preemption_sync_point(call):
            return False
        self.signal = self.signal or signal.SIGTERM
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one leaves at once
        return True


@contextlib.contextmanager
def deferred() -> Iterator[Interrupt]:
    """Note a first SIGINT or SIGTERM instead of dying of it. Only the main thread can; others get no handler.

    With several processes SIGTERM is jax's: it tells the others and they agree on a step. SIGINT is passed on to it.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return

    def handler(number: int, frame: object) -> None:
        if interrupt.signal is not None:
            os._exit(128 + number)
        interrupt.signal = number
        if jax.process_count() > 1:
            os.kill(os.getpid(), signal.SIGTERM)

    ours = (signal.SIGINT,) if jax.process_count() > 1 else (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, handler) for number in ours}
    try:
        yield interrupt
    finally:
        for number, old in previous.items():
            signal.signal(number, old or signal.SIG_DFL)  # None: it was not Python's
