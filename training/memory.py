"""The memory of large tensors: kept inside the process once freed (glibc on Linux; elsewhere nothing is done), in huge pages."""

import ctypes
import sys
from collections.abc import MutableMapping

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Stop glibc from giving each large tensor's pages back to the kernel and fetching them again, zeroed, a step later.

    A training step of the report's network on 2 CPU cores took 1.8 s with glibc's defaults and 1.3 s so.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def use_huge_pages(environ: MutableMapping[str, str]) -> None:
    """Have torch ask for pages of 2 MB where Linux offers these to who asks; to be called before torch is loaded.

    The kernel has fewer of them to fetch and, when the process ends, to take back: 1.9 GB took 0.09 s of a processor in place of 0.2.
    """
    environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
