"""The errors that are not faults of this code, and the words that their messages share."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake of the user's: one line that says what is wrong and what to do. Exit code 2.

    `more` are further lines, for the rare case where what to do is a list.
    """

    def __init__(self, message: str, *more: str):
        super().__init__("\n".join([" ".join(message.splitlines()), *more]))  # what it quotes may have several


class OutOfRange(UserError, ValueError):
    """A hyperparameter or a batch that a loss cannot work with; a ValueError to who calls the loss from Python."""


class Diverged(Exception):
    """A loss or gradient that is not finite: names the step and the last good checkpoint. Exit code 3."""


class NotSaved(Exception):
    """A checkpoint that could not be written, for want of room above all; those before it stand."""


class Interrupted(SystemExit):
    """SIGINT or SIGTERM, after the state was checkpointed: exit code 130 or 143."""

    def __init__(self, signal_number: int):
        self.exit_code = 128 + signal_number
        super().__init__(self.exit_code)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean a or b?" for a name that is not among the known names, or the known names."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
