"""One network under several runtimes: how quick each of them is, what memory it takes, and how much of this machine it gets out.

    python -m benchmarks.runtimes --out benchmarks/results/runtimes.json

Needs the extras `train` and `bench`, and a C++ compiler for AOTInductor. TorchScript as loaded, frozen, and frozen in channels-last
order; our own form of the forward pass; torch.export, AOTInductor, ONNX Runtime and OpenVINO on exports of the same weights. All but
AOTInductor as the service runs them by SEEDLINGS_RUNTIME. "Side by side": two halves of a batch at a time, each with half of the threads,
as the service runs when it is busy. Of a compact model the whole network is measured, too, with weights drawn by chance.

They take turns in one process, with a pause in which the threads of the one before come to rest; figures are medians of the rounds.
Memory is what a process of its own takes more once it has loaded the network, in both forms where the service needs two, and has answered
each size of a batch. The peak is the speed of a large product of matrices in float32 on the same threads, by the quicker one of torch's two
libraries. A share of it is images a second × the operations that the network's layers are defined by (a multiplication and an addition are
two). A form that needs fewer of them can come out above what it computes.
"""

import argparse
import functools
import io
import logging
import multiprocessing
import operator
import os
import shutil
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.jit
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import results
from benchmarks.processes import memory_mib, shipped
from models_store import store
from models_store.manifest import Manifest
from service.inference import engine
from service.inference.runtimes import exported as exported_runtime
from service.inference.runtimes.runtime import Runtime, Threads
from service.process import cores
from training import networks
from training.artifact import formats, published_network
from training.artifact import torchscript as exported

Pixels = NDArray[np.uint8]  # [n, 3, size, size]
Infer = Callable[[Pixels], NDArray[np.float32]]  # → [n, species]
BATCHES = (1, 8, 16)
SIDE = 2048  # of the square matrices
PAUSE_S = 0.2
SAME_ANSWER = 1e-3
STREAMS = 2  # batches that the service runs at a time
OURS = "our form"
BESIDE = ", side by side"
AOT = "aotinductor.pt2"


def in_torch(module: Any, memory_format: torch.memory_format = torch.contiguous_format) -> Infer:
    """A module on arrays."""

    def infer(pixels: Pixels) -> NDArray[np.float32]:
        with torch.inference_mode():
            answer = module(torch.from_numpy(pixels).contiguous(memory_format=memory_format))
            first: NDArray[np.float32] = (answer[0] if isinstance(answer, tuple | list) else answer).numpy()
            return first

    return infer


def in_halves(infer: Callable[[Pixels, bool], NDArray[np.float32]]) -> Infer:
    """A batch as the service runs it when busy: in two halves at a time, neither of them alone."""
    pool = ThreadPoolExecutor(STREAMS)

    def halves(pixels: Pixels) -> NDArray[np.float32]:
        if len(pixels) == 1:
            return infer(pixels, True)
        return np.concatenate(list(pool.map(infer, np.array_split(pixels, STREAMS), [False] * STREAMS)))

    return halves


def of_runtime(load: Callable[[], Runtime]) -> dict[str, Infer]:
    """A runtime of the service, by itself and side by side."""
    runtime = load()

    def infer(pixels: Pixels, alone: bool) -> NDArray[np.float32]:
        return runtime(pixels, alone)[0]

    return {"": lambda pixels: infer(pixels, True), BESIDE: in_halves(infer)}


def loaders(artifact: Path, made: Path, threads: int) -> dict[str, Callable[[], dict[str, Infer]]]:
    """Runtime → what loads the network: how it is run → what answers. `made` holds the files of `write`."""
    pool = Threads.of(threads, STREAMS)

    def module() -> Any:
        return exported.open_module(store.open_artifact(artifact).model)

    def ours() -> dict[str, Infer]:
        opened = store.open_artifact(artifact)
        loaded = engine.load(opened, device="cpu", threads=threads, streams=STREAMS, batch_size=-(-max(BATCHES) // STREAMS))

        def infer(pixels: Pixels, alone: bool) -> NDArray[np.float32]:
            return loaded.predict_batch(pixels, alone).probabilities

        return {"": lambda pixels: infer(pixels, True), BESIDE: in_halves(infer)}

    def onnxruntime() -> Runtime:
        from service.inference.runtimes.onnxruntime import OnnxRuntime

        return OnnxRuntime((made / "model.onnx").read_bytes(), pool)

    def openvino() -> Runtime:
        from service.inference.runtimes.openvino import OpenVino

        return OpenVino((made / "model.onnx").read_bytes(), pool)

    found = {
        "TorchScript, as loaded": lambda: {"": in_torch(module())},
        "frozen": lambda: {"": in_torch(torch.jit.freeze(module()))},
        "frozen, channels last": lambda: {"": in_torch(exported.freeze(module()), torch.channels_last)},
        OURS: ours,
        "torch.export": lambda: of_runtime(lambda: exported_runtime.load((made / "model.pt2").read_bytes(), pool)),
        "AOTInductor": lambda: {"": in_torch(torch._inductor.aoti_load_package(str(made / AOT)))},
        "ONNX Runtime": lambda: of_runtime(onnxruntime),
        "OpenVINO": lambda: of_runtime(openvino),
    }
    if not (made / AOT).exists():
        del found["AOTInductor"]
    return found


def write(artifact: Path, made: Path) -> None:
    """The network of a version in the formats of all runtimes, into the folder `made`."""
    opened = store.open_artifact(artifact)
    scripted = exported.open_module(opened.model)
    network, temperature = published_network.network_of(opened.manifest, scripted), opened.manifest.calibration.temperature
    size = opened.manifest.input.size
    example = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, size, size), np.uint8))
    for name, content in formats.files(("pt2", "onnx"), network, temperature, None, scripted, example).items():
        (made / name).write_bytes(content)
    if not any(map(shutil.which, ("g++", "clang++"))):
        print("AOTInductor is left out: it needs a C++ compiler, such as g++", file=sys.stderr)
        return
    program = torch.export.load(io.BytesIO((made / "model.pt2").read_bytes()))
    with torch.no_grad():  # freezing packs weights for oneDNN, as the other runtimes do
        torch._inductor.aoti_compile_and_package(program, package_path=str(made / AOT), inductor_configs={"freezing": True})


def whole(manifest: Manifest, root: Path) -> Path:
    """A version of the network that a compact model was made from, with drawn weights, in the store `root`. Returns its folder."""
    torch.manual_seed(0)
    training = manifest.training
    network = networks.build(training.network, len(manifest.species), training.recipe.get("plant_view", "off"))
    drawn = manifest.model_copy(
        update={"name": "whole", "compact": None, "calibration": manifest.calibration.model_copy(update={"familiarity": None})}
    )

    def describe(version: int, sha256: str, size_bytes: int) -> Manifest:
        return drawn.model_copy(update={"version": version, "files": {store.MODEL: sha256}, "size_bytes": size_bytes})

    model = exported.to_torchscript(network.eval(), manifest.calibration.temperature)  # which `write` expects in it
    return store.publish(root, model, describe, lambda _: "# Weights drawn by chance\n", drawn.name)


def all_of(artifact: Path, made: Path, threads: int) -> dict[str, Infer]:
    """All runtimes, ready to be asked."""
    return {name + how: infer for name, load in loaders(artifact, made, threads).items() for how, infer in load().items()}


def drawn(size: int) -> Pixels:
    """As many images as the largest batch has."""
    return np.random.default_rng(0).integers(0, 256, (max(BATCHES), 3, size, size), np.uint8)


def check(found: dict[str, Infer], images: Pixels) -> None:
    """Raises RuntimeError if the runtimes do not answer alike, which also warms them."""
    for n in BATCHES:
        answers = {name: [infer(images[:n]) for _ in range(3)][-1] for name, infer in found.items()}
        first = next(iter(answers.values()))
        for name, answer in answers.items():
            if (apart := float(np.abs(answer - first).max())) > SAME_ANSWER:
                raise RuntimeError(f"{name} answers a batch of {n} otherwise, by {apart:.4f}: it is not the same network")


def taken_mib(artifact: Path, made: Path, threads: int, name: str) -> float:
    """Memory that a runtime takes in this process, which is to be a new one."""
    quiet()
    torch.set_num_threads(threads)
    images = drawn(store.read_manifest(artifact).input.size)
    before = memory_mib(os.getpid())
    loaded = loaders(artifact, made, threads)[name]()
    for infer in loaded.values():
        for n in BATCHES:
            for _ in range(2):
                infer(images[:n])
    return round(memory_mib(os.getpid()) - before, 1)


def memory(artifact: Path, made: Path, threads: int) -> dict[str, float]:
    """Runtime → MiB, each in a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, max_tasks_per_child=1) as pool:
        names = [*loaders(artifact, made, threads)]
        return dict(zip(names, pool.map(functools.partial(taken_mib, artifact, made, threads), names), strict=True))


def rate(work: Callable[[], object], seconds: float) -> float:
    """Calls a second."""
    time.sleep(PAUSE_S)
    calls, started = 0, time.monotonic()
    while (passed := time.monotonic() - started) < seconds:
        work()
        calls += 1
    return calls / passed


def peak_gflop_per_s(seconds: float) -> float:
    """Of a product of matrices, by MKL or by oneDNN: which of them is the quicker one depends on the processor."""
    left, right = torch.rand(SIDE, SIDE), torch.rand(SIDE, SIDE)
    works: list[Callable[[], object]] = [lambda: torch.mm(left, right)]
    if torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        packed = torch.ops.mkldnn._reorder_linear_weight(right)
        works.append(lambda: torch.ops.mkldnn._linear_pointwise(left, packed, None, "none", [], ""))
    return round(max(rate(work, seconds) for work in works) * 2 * SIDE**3 / 1e9, 1)


def measure(artifact: Path, made: Path, threads: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Images a second of every runtime and batch, the peak, what an image takes, and memory."""
    torch.set_num_threads(threads)
    opened = store.open_artifact(artifact)
    module = published_network.network_of(opened.manifest, exported.open_module(opened.model))
    images = drawn(opened.manifest.input.size)
    write(artifact, made)
    taken = memory(artifact, made, threads)
    found = all_of(artifact, made, threads)
    check(found, images)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.from_numpy(images[:1]) / 255)
    peaks: list[float] = []
    rates: dict[str, dict[str, list[float]]] = {name: {str(n): [] for n in BATCHES} for name in found}
    for _ in range(rounds):
        peaks.append(peak_gflop_per_s(seconds))
        for n in BATCHES:
            batch = images[:n].copy()
            for name, infer in found.items():
                rates[name][str(n)].append(round(n * rate(functools.partial(infer, batch), seconds), 2))
    return {
        "gflop_an_image": round(counter.get_total_flops() / 1e9, 3),
        "peak_gflop_per_s": peaks,
        "images_per_s": rates,
        "memory_mib": taken,
    }


def table(measured: Mapping[str, Any], name: str, threads: int) -> str:
    """Images a second, the share of the peak, memory, and all of it over our form, of every runtime and batch."""
    peak, gflop = statistics.median(measured["peak_gflop_per_s"]), measured["gflop_an_image"]
    sizes = " | ".join(f"batch of {n}" for n in BATCHES)
    line = "|---" * (len(BATCHES) + 2) + "|"
    lines = [f"| {name}: images/s (share of the peak) | {sizes} | memory |", line]
    for runtime, batches in measured["images_per_s"].items():
        medians = [statistics.median(rounds) for rounds in batches.values()]
        cells = [f"{median:.1f} ({median * gflop / peak:.0%})" for median in medians]
        taken = measured["memory_mib"].get(runtime)
        lines.append(f"| {runtime} | {' | '.join(cells)} | {'' if taken is None else f'{taken:.0f} MiB'} |")
    ours = measured["images_per_s"]
    lines += ["", f"| over {OURS} | {sizes} |", line.removesuffix("---|")]
    for runtime, batches in ours.items():
        beside = ours[OURS + BESIDE if runtime.endswith(BESIDE) else OURS]
        ratios = [statistics.median(map(operator.truediv, rounds, beside[n])) for n, rounds in batches.items()]
        lines.append(f"| {runtime} | " + " | ".join(f"{ratio:.2f}" for ratio in ratios) + " |")
    return "\n".join([*lines, "", f"peak {peak:.1f} GFLOP/s on {threads} threads; {gflop:.2f} GFLOP an image"])


def quiet() -> None:
    """TorchScript is deprecated, and the exporters have much to say."""
    warnings.simplefilter("ignore")
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)


def main() -> int:
    """Measure, print the tables, write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.runtimes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--artifact", type=Path, help="folder of one version; the newest shipped one by default")
    parser.add_argument("--threads", type=int, default=cores.available(), help="threads of every runtime; the cores by default")
    parser.add_argument("--rounds", type=int, default=5, help="how often all is measured")
    parser.add_argument("--seconds", type=float, default=2, help="length of each measurement")
    parser.add_argument("--out", type=Path, help="JSON file for the results; the tables go beside it")
    options = parser.parse_args()
    quiet()
    artifact = (options.artifact or shipped()).resolve()
    manifest = store.read_manifest(artifact)
    document: dict[str, Any] = {"machine": results.machine(), "torch": torch.__version__, "threads": options.threads, "networks": {}}
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        measured = {f"{manifest.name}/{manifest.version}": artifact}
        if manifest.compact is not None:
            measured[f"{manifest.training.network}, whole"] = whole(manifest, Path(folder) / "store")
        for number, (name, path) in enumerate(measured.items()):
            made = Path(folder) / str(number)
            made.mkdir()
            document["networks"][name] = measure(path, made, options.threads, options.rounds, options.seconds)
            tables.append(table(document["networks"][name], name, options.threads))
            print(tables[-1] + "\n", flush=True)
    results.write(options.out, document)
    if options.out:
        options.out.with_suffix(".md").write_text("\n\n".join(tables) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
