"""Processes that a process minds see each other's work, and nobody else's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.process.other_workers import OtherWorkers

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux only")
ROOT = Path(__file__).parents[3]
LOOKS = """
import sys, time
from service.process.other_workers import OtherWorkers
other_workers = OtherWorkers()
while sys.stdin.readline():
    seen = [(other_workers.busy, time.sleep(0.01))[0] for _ in range(40)]
    print(sum(seen[20:]), flush=True)
"""
WORKS = """
import sys
print(flush=True)  # it has started
for line in sys.stdin:
    print(flush=True)
    [None for _ in range(30_000_000)]
    print(flush=True)
"""
MINDS = f"""
import subprocess, sys
def start(program):
    return subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
with start({LOOKS!r}) as looks, start({WORKS!r}) as works:
    def ask(one):
        one.stdin.write("go\\n")
        one.stdin.flush()
        return one.stdout.readline().strip()
    works.stdout.readline()  # it has started
    ask(looks)
    print(ask(looks))
    ask(works)
    print(ask(looks))
    works.stdout.readline()
    ask(looks)
    print(ask(looks))
    looks.stdin.close()
    works.stdin.close()
"""


def test_another_worker_is_seen_while_it_works() -> None:
    done = subprocess.run([sys.executable, "-c", MINDS], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    before, meanwhile, after = map(int, done.stdout.split())
    assert (before, after) == (0, 0)
    assert meanwhile > 0


def test_where_processes_cannot_be_seen_none_is_busy(tmp_path: Path) -> None:
    other_workers = OtherWorkers(proc=tmp_path)
    assert not other_workers.busy


def test_it_takes_a_while_without_work_to_be_quiet(tmp_path: Path) -> None:
    parent, now_s = os.getppid(), [100.0]
    children = tmp_path / str(parent) / "task" / str(parent) / "children"
    children.parent.mkdir(parents=True)
    children.write_text(f"{os.getpid()} 7 8 ")
    (tmp_path / "7").mkdir()

    def takes(user: int) -> None:
        (tmp_path / "7" / "stat").write_text(f"7 (a) b) S 1 1 1 0 -1 0 0 0 0 0 {user} 5 0 0 20 0")

    takes(3)
    other_workers = OtherWorkers(proc=tmp_path, clock=lambda: now_s[0])
    assert other_workers.busy  # never looked at before
    now_s[0] += 0.06
    assert not other_workers.busy
    takes(4)
    assert other_workers.busy
    now_s[0] += 0.04
    assert other_workers.busy
    now_s[0] += 0.02
    assert not other_workers.busy
