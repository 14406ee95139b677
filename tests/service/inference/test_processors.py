"""Processors of fewer abilities: the same species, and the same probabilities to 1e-5.

oneDNN and ATen can be told to leave abilities of the processor alone. `torch.cpu.get_capabilities` does not hear of that, so
what really computes is looked at: ATen says its own level, oneDNN writes a line for each kernel.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from models_store import store
from models_store.pixels import SIZE
from service.inference import engine

ROOT = Path(__file__).parents[3]
IMAGES = 8
_CHILD = """
import json
import torch
from service.inference import engine
from training import machine
from tests.service.inference.test_processors import answers
torch.nn.functional.conv2d(torch.ones(1, 16, 8, 8), torch.ones(16, 16, 3, 3))
aten, bfloat16 = torch.backends.cpu.get_cpu_capability(), [engine.computes_in_bfloat16(), machine.computes_in_bfloat16()]
print(json.dumps({"aten": aten, "bfloat16": bfloat16, "rows": answers().tolist()}))
"""


def answers() -> np.ndarray:
    """What the shipped model answers to a few drawn images: [n, species + 1], the distance last."""
    path = store.resolve(store.SHIPPED_STORE, "seedlings")
    loaded = engine.load(store.open_artifact(path), device="cpu", threads=1, batch_size=1)
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (IMAGES, 3, 10, 10), np.uint8)  # patches: noise of single pixels would all look alike
    probabilities, distances = loaded.predict_batch(coarse.repeat(SIZE // 10, 2).repeat(SIZE // 10, 3))
    assert distances is not None
    return np.column_stack([probabilities, distances])


@pytest.mark.slow
@pytest.mark.skipif(not torch.cpu.get_capabilities().get("avx2"), reason="this processor has no AVX2 to begin with")
@pytest.mark.parametrize(("onednn", "aten"), [("AVX2", "avx2"), ("SSE41", "default")])
def test_answers_are_the_same_on_a_processor_of_fewer_abilities(onednn: str, aten: str) -> None:
    masks = {"ONEDNN_MAX_CPU_ISA": onednn, "ATEN_CPU_CAPABILITY": aten, "ONEDNN_VERBOSE": "1"}
    done = subprocess.run([sys.executable, "-c", _CHILD], cwd=ROOT, env=os.environ | masks, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *lines, last = done.stdout.splitlines()
    child = json.loads(last)
    kernels = {line.split(",")[6] for line in lines if ",exec,cpu,convolution," in line}
    assert kernels
    assert not [kernel for kernel in kernels if "avx512" in kernel or (onednn == "SSE41" and "avx" in kernel)]
    assert (child["aten"], child["bfloat16"]) == (aten.upper(), [False, False])
    ours, theirs = answers(), np.array(child["rows"])
    assert ours[:, :-1].argmax(1).tolist() == theirs[:, :-1].argmax(1).tolist()
    assert ours[:, :-1] == pytest.approx(theirs[:, :-1], abs=1e-5)
    assert ours[:, -1] == pytest.approx(theirs[:, -1], rel=1e-4)
