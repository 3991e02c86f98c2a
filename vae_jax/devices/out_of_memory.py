"""Whether an error means that a device, or the host, had no memory left. `cli.main` turns such an error into one line.

jax is not imported here, because the command line asks before it knows whether jax was loaded.
"""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether the error is Python's, numpy's or XLA's for a failed allocation."""
    if isinstance(error, MemoryError):
        return True
    of_jax = type(error).__name__ in ("JaxRuntimeError", "XlaRuntimeError")
    return of_jax and ("RESOURCE_EXHAUSTED" in str(error) or "Out of memory" in str(error))
