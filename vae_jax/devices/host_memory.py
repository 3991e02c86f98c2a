"""The C library's allocator, told to keep what it has been given back."""

import ctypes
import sys

# mallopt's parameters, from glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_LARGEST = 2**31 - 1  # bytes


def keep_freed_pages() -> bool:
    """Make glibc keep freed memory for the next request; return whether that could be done.

    By default large buffers go back to the kernel as they are freed, and every fresh one pays a page fault for each
    4 KiB that it touches: about 100,000 a training step of the CelebA network at batch 64 on a CPU. For the whole
    process, for good: its size stays at its peak.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    wanted = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _LARGEST), (_ARENA_MAX, 1))
    return all([mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in wanted])
