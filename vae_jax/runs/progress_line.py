"""What a training run says on the terminal or into a log file: one line of progress, and lasting lines between.

The numbers themselves are kept by `metric_writer`. The training loop uses this file.
"""

import contextlib
import sys
import time
from typing import TextIO

SHOWN = ("loss", "elbo", "kl")  # the objective's numbers that the line has room for


class Progress:
    """Writes one live line to a terminal, or to a log file one line for each update.

    What cannot be written, because the disk is full or the stream is closed, is lost: the run is worth more. Characters
    that the stream cannot encode are written as escapes.

    Args:
        num_steps: steps of the whole run.
        steps_per_epoch: may be a fraction.
        batch_size: images of a step.
        stream: where to write; by default the process's standard error, if it has one.
    """

    def __init__(self, num_steps: int, steps_per_epoch: float, batch_size: int, stream: TextIO | None = None):
        self._num_steps, self._steps_per_epoch, self._batch_size = num_steps, steps_per_epoch, batch_size
        self._stream: TextIO | None = stream or sys.stderr  # None in a process without a terminal or file
        self._live = self._stream is not None and self._stream.isatty()
        self._start: tuple[float, int] | None = None

    def begin(self, step: int) -> None:
        """Start the clock at a step, after everything that must be compiled has been compiled."""
        self._start = (time.monotonic(), step)

    def update(self, step: int, scalars: dict[str, float]) -> None:
        """Show the step, the epoch, images per second, the time left, and the objective's main numbers."""
        terms = [f"{name} {scalars[name]:.2f}" for name in SHOWN if name in scalars]
        place = f"step {step}/{self._num_steps}  epoch {step / self._steps_per_epoch:.1f}"
        line = f"{place}  {self._pace(step)}{'  '.join(terms)}"
        self._write(f"\r\033[K{line}" if self._live else f"{line}\n")

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._write(f"\r\033[K{text}\n" if self._live else f"{text}\n")

    def end(self) -> None:
        """End a live line, so that what is printed next begins a line."""
        if self._live:
            self._write("\n")

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        with contextlib.suppress(OSError, ValueError):  # a ValueError says that the stream is closed
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()

    def _pace(self, step: int) -> str:
        """Return images per second and the time left, or "" before the clock has run."""
        if self._start is None or step <= self._start[1]:
            return ""
        seconds = max(time.monotonic() - self._start[0], 1e-9)
        rate = (step - self._start[1]) / seconds
        hours, rest = divmod(int((self._num_steps - step) / rate), 3600)
        clock = f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
        return f"{rate * self._batch_size:,.0f} images/s  {clock} left  "


class SilentProgress(Progress):
    """The progress of a process that is not the leader, and prints nothing."""

    def _write(self, text: str) -> None:
        pass
