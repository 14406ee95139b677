"""How this process holds its memory, where the C library is glibc, and how much it may take."""

import ctypes
import gc
import sys
from pathlib import Path
from typing import Any

_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of cgroup v2, and of v1
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


def limit_bytes(cgroup: Path = _CGROUP) -> int | None:
    """What the container may take; None where that is not said."""
    for name in _LIMITS:
        try:
            return int((cgroup / name).read_text())
        except (OSError, ValueError):  # v2 says "max" for no limit
            continue
    return None


def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "gnu_get_libc_version") else None
    except OSError:
        return None
