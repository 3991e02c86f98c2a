"""Output that cannot fail the work: a closed pipe, a full disk, a narrow encoding, or no stdout and stderr at all.

`main` wraps every mode in `tolerant`. Files that a mode writes are not treated here: an error there is the mode's.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Iterator
from typing import Any


class _Tolerant:
    """A text stream whose writes never raise OSError; after the first failure, everything written is dropped."""

    def __init__(self, stream: Any):
        self._stream = stream
        self.failure: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text, or drop it."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush what was written, or drop it."""
        self._try(self._stream.flush)

    def _try(self, write: Any) -> None:
        try:
            write()
        except OSError as error:
            self.failure = self.failure or error
            _discard(self._stream)


def _discard(stream: Any) -> None:
    """Lead the stream's descriptor to the null device, so that a later flush, at exit too, succeeds."""
    with contextlib.suppress(OSError, ValueError):
        descriptor = stream.fileno()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)


def open_missing_descriptors() -> None:
    """Open the null device wherever standard input, output or error is closed.

    Otherwise the next file that is opened takes the free number, and what a library prints is written into that file.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115 - open as long as the process


@contextlib.contextmanager
def tolerant() -> Iterator[None]:
    """Let no write to stdout or stderr raise in the body; say on stderr that stdout failed, unless a reader left it."""
    open_missing_descriptors()
    originals = sys.stdout, sys.stderr
    for stream in originals:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # characters that the terminal's encoding lacks
    sys.stdout, sys.stderr = out, _ = _Tolerant(sys.stdout), _Tolerant(sys.stderr)
    try:
        yield
    finally:
        out.flush()
        if out.failure is not None and out.failure.errno != errno.EPIPE:
            print(f"the output could not be written ({out.failure.strerror}); the files are", file=sys.stderr)
        sys.stderr.flush()
        sys.stdout, sys.stderr = originals
