"""What every peer serves: the same artifact, loaded in the fastest TorchScript form, behind the decoding most people write."""

import argparse
import io
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

SIZE = 150
MAX_BATCH, WAIT_S = 16, 0.005
_MODEL = "BENCH_MODEL"


def arguments() -> argparse.Namespace:
    """`--model FILE --port N`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--style", default="def")
    options = parser.parse_args()
    os.environ[_MODEL] = str(options.model)
    return options


def model_file() -> Path:
    """The model, in processes that a server starts by itself."""
    return Path(os.environ[_MODEL])


def load(file: Path) -> torch.jit.ScriptModule:
    """The module, frozen, channels_last, warm for the batches served."""
    warnings.simplefilter("ignore")
    module = torch.jit.load(str(file)).eval().to(memory_format=torch.channels_last)
    module = torch.jit.freeze(module)
    for size in range(1, MAX_BATCH + 1):
        for _ in range(2):
            infer(module, np.zeros((size, 3, SIZE, SIZE), np.uint8))
    return module


def decode(body: bytes) -> NDArray[np.uint8]:
    """Image file → uint8 [3, 150, 150]."""
    image = Image.open(io.BytesIO(body)).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(image).transpose(2, 0, 1)


def infer(module: torch.jit.ScriptModule, pixels: NDArray[np.uint8]) -> list[list[float]]:
    """uint8 [n, 3, 150, 150] → n lists of probabilities."""
    with torch.inference_mode():
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).contiguous(memory_format=torch.channels_last)
        return module(batch).tolist()


def answer(row: list[float]) -> dict[str, object]:
    """What goes back to the client."""
    return {"species": max(range(len(row)), key=row.__getitem__), "probabilities": row}
