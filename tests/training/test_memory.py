"""Freed memory stays with the process."""

import subprocess
import sys
from pathlib import Path

import pytest

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
