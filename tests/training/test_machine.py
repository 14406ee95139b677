"""The machine in a few words. Whether it computes in bfloat16: tests/test_bfloat16.py."""

import getpass
import os
import re
import socket
from pathlib import Path

import pytest
import torch

from training import machine


def test_it_says_what_decides_speed_and_nothing_of_people():
    described = machine.describe()
    assert described["cores"] == len(os.sched_getaffinity(0))
    assert described["torch"] == torch.__version__
    total_kib = int(re.search(r"MemTotal: +(\d+)", Path("/proc/meminfo").read_text())[1])
    assert described["memory_gib"] == pytest.approx(total_kib / 2**20, abs=0.51)
    assert str(described["processor"]) not in ("", "unknown")
    said = str(described)
    assert os.path.expanduser("~") not in said
    assert not [name for name in (socket.gethostname(), getpass.getuser()) if len(name) > 3 and name in said]


def test_a_wide_instruction_set_is_named():
    has = torch.cpu.get_capabilities().get("avx2") is True
    assert ("avx2" in str(machine.describe()["processor"])) == has
