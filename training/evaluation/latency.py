"""How long one prediction takes."""

import io
import statistics
import time

import torch

from models_store.pixels import SIZE
from training.artifact import torchscript
from training.networks.network import Network

_WARM, _TIMED = 5, 40


def milliseconds(network: Network) -> float:
    """Median milliseconds of one image through the exported, frozen network, on the CPU with torch's own thread count."""
    module = torchscript.freeze(torchscript.open_module(io.BytesIO(torchscript.to_torchscript(network, temperature=1.0))))
    image = torch.full((1, 3, SIZE, SIZE), 128, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    times = []
    with torch.inference_mode():
        for _ in range(_WARM + _TIMED):
            began = time.perf_counter()
            module(image)
            times.append(time.perf_counter() - began)
    return statistics.median(times[_WARM:]) * 1e3
