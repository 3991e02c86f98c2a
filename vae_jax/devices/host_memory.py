"""A setting of the C library's allocator, which `main.py` makes before a run starts.

Why this file exists: glibc gives a large buffer back to the kernel as soon as it is freed, and every new buffer pays a
page fault for each 4 KiB that it touches. XLA on a CPU allocates and frees its buffers in every training step.
What it gains: a training step of the CelebA network at batch 64 takes 0.28 s instead of 0.36 s on two cores (jaxlib
0.10.2). To measure this again, run `python -m benchmarks.train_step --batch_sizes 64 --variants` as it is, and without
the call in `benchmarks/contender.py`.
When to delete it: as soon as that command shows no difference, which means that XLA keeps its buffers itself.
"""

import ctypes
import sys

# The parameters of mallopt, from glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_LARGEST = 2**31 - 1  # bytes


def keep_freed_pages() -> bool:
    """Make glibc keep freed memory for later requests, and return whether that was possible.

    The setting lasts as long as the process, whose size then stays at its largest.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    wanted = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_ARENA_MAX, 1))
    return all([mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in wanted])
