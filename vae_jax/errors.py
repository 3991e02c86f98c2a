"""The exceptions for situations that are no fault of this code, and a hint for misspelt names.

`cli.main` turns each exception into a line and an exit code. Every other exception is a fault of this code, and keeps
its traceback.
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake of the user. The exit code is 2.

    Args:
        message: one line that says what is wrong and what to do.
        more: further lines, for the rare case in which the remedy is a list.
    """

    def __init__(self, message: str, *more: str):
        super().__init__("\n".join([" ".join(message.splitlines()), *more]))  # a quoted text may have several lines


class OutOfRange(UserError, ValueError):
    """A hyperparameter or a batch that a function cannot use; it is a ValueError for callers from Python."""


class Diverged(Exception):
    """A loss or a gradient that is not finite; the message names the step and the last good checkpoint. Exit code 3."""


class NotSaved(Exception):
    """A checkpoint that could not be written, most often because the disk is full. Earlier checkpoints are whole."""


class Interrupted(SystemExit):
    """SIGINT or SIGTERM, raised after the state was checkpointed. Exit code 130 or 143."""

    def __init__(self, signal_number: int):
        self.exit_code = 128 + signal_number
        super().__init__(self.exit_code)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint for an unknown name: "did you mean a or b?", or the list of known names if none is similar."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
