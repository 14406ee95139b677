"""Freed memory stays with the process, and comes in huge pages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from training.memory import use_huge_pages

PROGRAM = """
import resource, sys
from training.memory import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = b"x" * 2**26  # 64 MiB, 16,384 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
@pytest.mark.parametrize(("how", "few"), [("keep", True), ("as it is", False)])
def test_a_large_block_is_not_fetched_from_the_kernel_twice(how, few):
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, cwd=root, check=True)
    assert (int(done.stdout) < 100) == few


HUGE_PAGES = """
import torch
block = torch.ones(2**24)  # 64 MiB
print(sum(int(line.split()[1]) for line in open("/proc/self/smaps") if line.startswith("AnonHugePages:")))
"""


def offered() -> bool:
    file = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    return file.exists() and "[madvise]" in file.read_text()


@pytest.mark.skipif(not offered(), reason="this kernel gives huge pages to all or to none")
@pytest.mark.slow
def test_a_large_tensor_lies_in_huge_pages():
    environment = {name: value for name, value in os.environ.items() if name != "THP_MEM_ALLOC_ENABLE"}
    pages = []
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", HUGE_PAGES], capture_output=True, text=True, env=environment, check=True)
        pages.append(int(done.stdout))  # KiB
        use_huge_pages(environment)
    assert pages[1] > pages[0]
