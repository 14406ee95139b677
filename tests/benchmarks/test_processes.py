"""What memory a process is said to hold."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.processes import descendants, memory_mib

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux only")
HOLDS = "import sys; held = bytearray(64 * 2**20); print('ready', flush=True); sys.stdin.read()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLDS!r}])"


@pytest.mark.parametrize(("program", "family"), [(HOLDS, 0), (PARENT, 1)])
def test_memory_counts_a_process_and_those_it_started(program, family):
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert len(descendants(process.pid)) == family
        assert 64 < memory_mib(process.pid) < 64 + 40 * (1 + family)
        process.stdin.close()
    assert memory_mib(process.pid) == 0
