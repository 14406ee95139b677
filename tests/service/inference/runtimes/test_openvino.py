"""OpenVINO in several threads. That it answers as the other runtimes do is tested in test_choice.py."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
AT_ONCE = """
import threading
from pathlib import Path
import numpy as np
from service.inference.runtimes.openvino import OpenVino
from service.inference.runtimes.runtime import Threads

model = Path("models_store/shipped/seedlings-segmenter/14/model.onnx").read_bytes()
together = threading.Barrier(6)

def load_and_ask():
    together.wait()
    runtime = OpenVino(model, Threads(2, 1))
    together.wait()
    runtime(np.zeros((1, 3, 64, 64), np.uint8), True)

threads = [threading.Thread(target=load_and_ask, daemon=True) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.slow
def test_models_that_are_loaded_at_once_do_not_wait_for_each_other_for_ever() -> None:
    """In a new process each time: only its first uses do. Without a lock four of ten hung."""
    pytest.importorskip("openvino")
    for _ in range(3):
        subprocess.run([sys.executable, "-W", "ignore", "-c", AT_ONCE], cwd=ROOT, check=True, timeout=120)
