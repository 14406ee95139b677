"""One network under several runtimes, and how much of this machine each of them gets out of it.

    python -m benchmarks.runtimes --out benchmarks/results/runtimes.json

Needs the extras `train` and `bench`. TorchScript as loaded, frozen, and frozen in channels-last order; the service's own
engine; torch.export, ONNX Runtime and OpenVINO on exports of the same weights, as the service runs them by SEEDLINGS_RUNTIME.
The last lines are each one's images a second over those of the service's engine, in the same rounds. They take turns in one
process, with a pause in which the threads of the one before come to rest; figures are medians of the rounds. The peak is the
speed of a large product of matrices in float32 on the same threads, and a share of it is images a second × the operations that
the network's layers are defined by (a multiplication and an addition are two). A form that needs fewer of them can come out
above what it computes.
"""

import argparse
import functools
import logging
import operator
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.jit
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import results
from benchmarks.processes import shipped
from models_store import store
from service.inference import engine
from service.inference.runtimes import exported as exported_runtime
from service.inference.runtimes.onnxruntime import OnnxRuntime
from service.inference.runtimes.openvino import OpenVino
from service.inference.runtimes.runtime import Runtime, Threads
from service.process import cores
from training.artifact import formats, published
from training.artifact import torchscript as exported

Pixels = NDArray[np.uint8]  # [n, 3, size, size]
Infer = Callable[[Pixels], NDArray[np.float32]]  # → [n, species]
BATCHES = (1, 8, 16)
SIDE = 2048  # of the square matrices
PAUSE_S = 0.2
SAME_ANSWER = 1e-3
OURS = "the service's engine"


def eager(opened: store.Opened) -> exported.Exported:
    """The artifact's network as the module it was exported from, with its weights."""
    network = published.network_of(opened.manifest, exported.open_module(opened.model))
    return exported.Exported(network, opened.manifest.calibration.temperature).eval()


def in_torch(module: Any, memory_format: torch.memory_format = torch.contiguous_format) -> Infer:
    """A module on arrays."""

    def infer(pixels: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode():
            answer: NDArray[np.float32] = module(torch.from_numpy(pixels).contiguous(memory_format=memory_format)).numpy()
            return answer

    return infer


def in_formats(module: exported.Exported, path: Path, size: int, threads: int) -> dict[str, Infer]:
    """Exports of a module under the runtimes that the service can take in place of TorchScript."""
    scripted = exported.open_module(store.open_artifact(path).model)
    example = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, size, size), np.uint8))
    made = formats.files(("pt2", "onnx"), module.network, module.temperature, None, scripted, example)
    pool = Threads.of(threads, 1)
    found: dict[str, Runtime] = {
        "torch.export": exported_runtime.load(made["model.pt2"], pool),
        "ONNX Runtime": OnnxRuntime(made["model.onnx"], pool),
        "OpenVINO": OpenVino(made["model.onnx"], pool),
    }
    return {name: functools.partial(_probabilities, runtime) for name, runtime in found.items()}


def _probabilities(runtime: Runtime, pixels: Pixels) -> NDArray[np.float32]:
    return runtime(pixels, True)[0]


def in_halves(loaded: engine.Engine) -> Infer:
    """The service's engine as it runs when busy: two batches at a time, each with half of the threads."""
    pool = ThreadPoolExecutor(2)

    def beside(half: Pixels) -> NDArray[np.float32]:
        return loaded.predict_batch(half, alone=False).probabilities

    def infer(pixels: Pixels) -> NDArray[np.float32]:
        if len(pixels) == 1:
            return loaded.predict_batch(pixels).probabilities
        return np.concatenate(list(pool.map(beside, np.array_split(pixels, 2))))

    return infer


def runtimes(path: Path, module: exported.Exported, threads: int) -> dict[str, Infer]:
    """All of them, ready to be asked."""

    def loaded() -> Any:
        return exported.open_module(store.open_artifact(path).model)

    opened = store.open_artifact(path)
    ours = engine.load(opened, device="cpu", threads=threads, streams=2, batch_size=-(-max(BATCHES) // 2))
    return {
        "TorchScript, as loaded": in_torch(loaded()),
        "frozen": in_torch(torch.jit.freeze(loaded())),
        "frozen, channels last": in_torch(exported.freeze(loaded()), torch.channels_last),
        OURS: lambda pixels: ours.predict_batch(pixels).probabilities,
        "the service's engine, in two halves side by side": in_halves(ours),
        **in_formats(module, path, opened.manifest.input.size, threads),
    }


def check(found: dict[str, Infer], images: Pixels) -> None:
    """Raises RuntimeError if the runtimes do not answer alike, which also warms them."""
    for n in BATCHES:
        answers = {name: [infer(images[:n]) for _ in range(3)][-1] for name, infer in found.items()}
        first = next(iter(answers.values()))
        for name, answer in answers.items():
            if (apart := float(np.abs(answer - first).max())) > SAME_ANSWER:
                raise RuntimeError(f"{name} answers a batch of {n} otherwise, by {apart:.4f}: it is not the same network")


def rate(work: Callable[[], object], seconds: float) -> float:
    """Calls a second."""
    time.sleep(PAUSE_S)
    calls, started = 0, time.monotonic()
    while (passed := time.monotonic() - started) < seconds:
        work()
        calls += 1
    return calls / passed


def measure(path: Path, threads: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Images a second of every runtime and batch, the peak, and what an image takes."""
    torch.set_num_threads(threads)
    opened = store.open_artifact(path)
    size, module = opened.manifest.input.size, eager(opened)
    images = np.random.default_rng(0).integers(0, 256, (max(BATCHES), 3, size, size), np.uint8)
    found = runtimes(path, module, threads)
    check(found, images)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.from_numpy(images[:1]))
    left, right = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    peaks: list[float] = []
    rates: dict[str, dict[str, list[float]]] = {name: {str(n): [] for n in BATCHES} for name in found}
    for _ in range(rounds):
        peaks.append(rate(lambda: torch.mm(left, right), seconds) * 2 * SIDE**3 / 1e9)
        for n in BATCHES:
            batch = images[:n].copy()
            for name, infer in found.items():
                rates[name][str(n)].append(round(n * rate(functools.partial(infer, batch), seconds), 2))
    return {
        "threads": threads,
        "torch": torch.__version__,
        "gflop_an_image": round(counter.get_total_flops() / 1e9, 3),
        "peak_gflop_per_s": [round(peak, 1) for peak in peaks],
        "images_per_s": rates,
    }


def table(measured: dict[str, Any]) -> str:
    """Images a second, and the share of the peak, of every runtime and batch."""
    peak, gflop = statistics.median(measured["peak_gflop_per_s"]), measured["gflop_an_image"]
    lines = ["| images/s (share of the peak) | " + " | ".join(f"batch of {n}" for n in BATCHES) + " |", "|---" * (len(BATCHES) + 1) + "|"]
    for name, batches in measured["images_per_s"].items():
        medians = [statistics.median(rounds) for rounds in batches.values()]
        lines.append(f"| {name} | " + " | ".join(f"{median:.1f} ({median * gflop / peak:.0%})" for median in medians) + " |")
    ours = measured["images_per_s"][OURS]
    lines += ["", "| over the service's engine | " + " | ".join(f"batch of {n}" for n in BATCHES) + " |", "|---" * (len(BATCHES) + 1) + "|"]
    for name, batches in measured["images_per_s"].items():
        ratios = [statistics.median(map(operator.truediv, rounds, ours[n])) for n, rounds in batches.items()]
        lines.append(f"| {name} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
    return "\n".join([*lines, "", f"peak {peak:.1f} GFLOP/s on {measured['threads']} threads; {gflop:.2f} GFLOP an image"])


def main() -> int:
    """Measure, print the table, write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.runtimes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--artifact", type=Path, help="folder of one version; the newest shipped one by default")
    parser.add_argument("--threads", type=int, default=cores.available(), help="threads of every runtime; the cores by default")
    parser.add_argument("--rounds", type=int, default=5, help="how often all is measured")
    parser.add_argument("--seconds", type=float, default=2, help="length of each measurement")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # TorchScript is deprecated, and the exporter has much to say
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    artifact = (options.artifact or shipped()).resolve()
    measured = {"machine": results.machine(), "artifact": f"{artifact.parent.name}/{artifact.name}"}
    measured |= measure(artifact, options.threads, options.rounds, options.seconds)
    print(table(measured))
    results.write(options.out, measured)
    return 0


if __name__ == "__main__":
    sys.exit(main())
