"""The two ways a run ends early that are not faults of this code."""


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
        super().__init__(128 + signal_number)
