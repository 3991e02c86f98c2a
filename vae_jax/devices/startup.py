"""Before jax: where compiled programs are kept, and how long the command has been running."""

import os
import pathlib
import time


def keep_compiled_programs(directory: pathlib.Path) -> None:
    """Make jax, which is not yet imported, keep every program it compiles in `directory`, unless told otherwise.

    Its own default keeps those alone that took a second to compile, and the rest of a run add up to several.
    """
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(directory))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def command_began() -> float:
    """Return when this process began, seconds on the clock of `time.monotonic`; where only Linux tells, now."""
    try:
        fields = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")  # starttime
    except (OSError, AttributeError, ValueError, IndexError):
        age = 0.0
    return time.monotonic() - max(age, 0.0)
