"""SIGTERM and Ctrl-C in training: the first ends the run after its step and a checkpoint, the second at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import jax
from jax.experimental import multihost_utils


class Interrupt:
    """The signal that was received, for the training loop to see.

    Attributes:
        signal: its number, or None.
    """

    signal: int | None = None

    def reached(self, call: int) -> bool:
        """Return whether the run stops now; all processes return the same.

        Args:
            call: how many training calls the loop has made before this one.
        """
        if jax.process_count() == 1:
            return self.signal is not None
        if not multihost_utils.reached_preemption_sync_point(call):
            return False
        self.signal = self.signal or signal.SIGTERM
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one leaves at once
        return True


@contextlib.contextmanager
def deferred() -> Iterator[Interrupt]:
    """Record a first SIGINT or SIGTERM inside the block, instead of ending the process.

    Python can handle signals in the main thread alone, so in another thread nothing is changed. In a run of several
    processes jax handles SIGTERM: it tells the other processes, and all agree on a step. A SIGINT becomes a SIGTERM.
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
