"""What memory a process is said to hold, and what processor time to have taken."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.processes import cpu_s, descendants, memory_mib

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


def test_processor_time_counts_work_and_no_sleep():
    busy = "import sys, time; [None for _ in iter(lambda: time.process_time() < 0.5, False)]; print(1, flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", busy], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        taken_s = cpu_s(process.pid)
        time.sleep(0.3)
        assert 0.45 <= taken_s <= cpu_s(process.pid) < 0.75
        process.stdin.close()
