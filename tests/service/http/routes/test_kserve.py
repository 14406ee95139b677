"""`/v2` by KServe's own client. It needs an older protobuf than training does, so it lives in an environment of its own:

python3 -m venv .kserve && .kserve/bin/pip install kserve
SEEDLINGS_KSERVE_PYTHON=.kserve/bin/python make test
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests import fakes
from tests.service.conftest import Running

SCRIPT = Path(__file__).with_name("kserve_client.py")


@pytest.fixture
def interpreter() -> str:
    named = os.environ.get("SEEDLINGS_KSERVE_PYTHON") or (sys.executable if importlib.util.find_spec("kserve") else None)
    if named is None:
        pytest.skip("SEEDLINGS_KSERVE_PYTHON is unset: it names a Python that has KServe's client")
    return named


def test_kserve_infers(service: Running, interpreter: str) -> None:
    colour = (200, 40, 10)
    pixels = np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, fakes.SIZE, fakes.SIZE))
    command = [interpreter, str(SCRIPT), f"http://127.0.0.1:{service.port}", str(fakes.SIZE)]
    done = subprocess.run(command, input=pixels.tobytes(), capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["live"], found["ready"], found["model"]) == (True, True, True)
    for form in ("binary", "json"):
        assert found[form] == pytest.approx(fakes.shares(colour), abs=1e-5)
