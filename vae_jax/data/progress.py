"""One line of progress on stderr, and the sentences that a source says about what it found."""

import sys
import time
from collections.abc import Callable

Report = Callable[[int, int], None]  # done, total


def say(text: str) -> None:
    """Print one line to stderr; stdout is left to results."""
    print(text, file=sys.stderr, flush=True)


def printable(name: str) -> str:
    """Return `name` without line breaks, terminal escapes or bytes that cannot be encoded."""
    return "".join(c if c.isprintable() else "?" for c in name)


def names(items: list[str], limit: int = 5) -> str:
    """Return the first few of `items`, and how many more there are."""
    more = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {more:,} more" if more > 0 else "")


class Bar:
    """Progress of a long count: a rewritten line on a terminal, a line every tenth elsewhere.

    Nothing is printed in the first second, so that small data sets say nothing.

    Args:
        verb: what the line begins with.
        begun: the count at the start, where earlier work is continued.
        stream: stderr by default.
    """

    def __init__(self, verb: str, begun: int = 0, stream=None):
        self._verb = verb
        self._begun = begun
        self._stream = stream or sys.stderr
        self._start = time.monotonic()
        self._drawn = self._start
        self._tenth = 0
        self._open = False

    def __call__(self, done: int, total: int) -> None:
        """Print how many of `total` are done, if it is time to."""
        now = time.monotonic()
        if now - self._start < 1.0:
            return
        rate = (done - self._begun) / (now - self._start)
        line = f"{self._verb} {done:,} of {total:,} ({100 * done // max(total, 1)}%, {rate:,.0f}/s)"
        if self._stream.isatty():
            if now - self._drawn >= 0.1 or done == total:
                self._drawn, self._open = now, True
                print(f"\r{line}\x1b[K", end="", file=self._stream, flush=True)
        elif 10 * done // max(total, 1) > self._tenth:
            self._tenth = 10 * done // max(total, 1)
            print(line, file=self._stream, flush=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if self._open:  # end the rewritten line
            print(file=self._stream, flush=True)
