"""A line that a process leaves behind however it ends, said by a small process that outlives it.

Why this file exists: when one process of a run dies, jax's coordination service ends the others from a thread of C++,
at a moment of its own. Nothing of Python runs then, and jax's own callback for this moment ends in `std::bad_cast`
(jaxlib 0.10.2). The same is true of a process that the system kills for its memory.
What it gains: exactly one line that says what to do, in all of these cases; `pytest -m slow tests/devices` kills
processes and reads the line.
When to delete it: as soon as `jax.distributed.initialize` takes a callback for the death of another process.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

_SECONDS = 5.0  # that the line is waited for

# The line comes by standard input; an empty one means that there is nothing to say. The end of the input without a
# line means that the process is gone.
_SPEAKER = """
import sys
line = sys.stdin.readline()
sys.stderr.write(line.lstrip() if line.endswith("\\n") else sys.argv[1] + "\\n")
"""


class LastWords:
    """Says one line on standard error when this process ends, unless `nothing` was called before.

    Args:
        line: what is said if the process ends without a call of `say` or `nothing`.
    """

    def __init__(self, line: str):
        # In a session of its own, so that Ctrl-C and a signal to the whole group of processes do not end the speaker.
        command = [sys.executable, "-I", "-S", "-c", _SPEAKER, line]
        self._speaker = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def say(self, line: str) -> None:
        """Say another line now, in place of the one that was prepared; only the first call counts."""
        with contextlib.suppress(OSError, ValueError, subprocess.TimeoutExpired):
            self._speaker.communicate(f"{line}\n".encode(errors="backslashreplace"), _SECONDS)

    def nothing(self) -> None:
        """Say nothing, because the process ends in order."""
        self.say("")


@contextlib.contextmanager
def prepared(line: str) -> Iterator[LastWords]:
    """Have a line said if this process ends inside the block; nothing is said when the block ends."""
    words = LastWords(line)
    try:
        yield words
    finally:
        words.nothing()
