"""How this process holds its memory, where the C library is glibc; elsewhere these functions do nothing."""

import ctypes
import gc
import sys
from typing import Any

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8


def keep_freed() -> None:
    """Keep the memory of freed tensors, in one heap, for the next ones.

    Left to itself glibc gives every big block back to the kernel when it is freed, so that each forward pass faults its
    activations in again. Call it first of all: threads that run already keep heaps of their own.
    """
    if (library := _glibc()) is None:
        return
    library.mallopt(_M_MMAP_MAX, 0)  # no mapping of its own for a big block
    library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    library.mallopt(_M_ARENA_MAX, 1)


def settle() -> None:
    """Leave what is here now, the libraries above all, out of every later garbage collection.

    A full one looks through each object and holds up all threads meanwhile: 80 ms and more for those libraries, and two
    of them with each new version.
    """
    gc.collect()
    gc.freeze()


def give_back() -> None:
    """Return what is free now to the kernel: after a load, which needs more than serving does."""
    gc.collect()
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "gnu_get_libc_version") else None
    except OSError:
        return None
