"""What `main.py` does before jax is imported: where compiled programs are kept, and when the command began."""

import os
import pathlib
import time


def keep_compiled_programs(directory: pathlib.Path) -> None:
    """Make jax keep every program that it compiles in a directory, unless the environment names another one.

    By default jax keeps the programs alone that took a second to compile. The others of a run take several seconds
    together. Call this before jax is imported.
    """
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(directory))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


def command_began() -> float:
    """Return when this process began, in seconds on the clock of `time.monotonic`.

    Linux alone knows when a process began. On other systems the time of this call is returned.
    """
    try:
        fields = pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")  # starttime
    except (OSError, AttributeError, ValueError, IndexError):
        age = 0.0
    return time.monotonic() - max(age, 0.0)
