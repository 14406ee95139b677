"""Which runtime answers: the one asked for, or the quickest of those that a version has a file for."""

import functools
import importlib.util
import logging
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from models_store import installing, store
from models_store.store import ArtifactCorrupt, ArtifactUnsuitable, Opened
from service.inference.runtimes.faults import EngineError, blame_machine, first_line
from service.inference.runtimes.runtime import Outputs, Runtime, Threads
from service.settings import RuntimeChoice, RuntimeName

log = logging.getLogger(__name__)
FILES: dict[RuntimeName, str] = {  # beside model.pt
    "exported": "model.pt2",
    "onnxruntime": "model.onnx",
    "openvino": "model.onnx",
    "int8": "model.int8.onnx",
}
_FORMATS: dict[RuntimeName, str] = {"exported": "pt2", "onnxruntime": "onnx", "openvino": "onnx", "int8": "int8 --data DIR"}  # of convert
_LIBRARIES: dict[RuntimeName, str] = {"onnxruntime": "onnxruntime", "openvino": "openvino", "int8": "onnxruntime"}
TOLERANCE = 1e-4  # of a probability, and of a distance as a share of it
# In 8 bits answers differ, to drawn images more than to photos: what that costs was measured when the version was published.
TOLERANCE_INT8 = 1.0
MEASURED_S = 0.4  # of processor time, for which runtimes are compared, all together
_TURNS = 3  # in which each has its turn: what else this process does meanwhile meets all of them
_BEHIND = 1.3  # times as dear as the cheapest one so far, after the second turn: then it has no further one
_WARM = 2  # calls of a shape that are slow: torch records at the first one, and specialises at the second one
SHAPES_ALIKE: frozenset[RuntimeName] = frozenset(["onnxruntime", "int8"])  # a batch of a new size takes no longer than later ones
CLEARLY = 1.05  # times as quick as TorchScript is what is taken in its place
UNMEASURED: RuntimeName = "onnxruntime"  # taken where it does not pay to measure: it is the quickest one on most machines
_MEASURING = threading.Lock()  # two models are loaded at one time, and each would take the cores from the other


class Chosen(NamedTuple):
    """What answers, and its name."""

    name: RuntimeName
    runtime: Runtime


def installed(name: RuntimeName) -> bool:
    """Whether its package is there."""
    return name not in _LIBRARIES or importlib.util.find_spec(_LIBRARIES[name]) is not None


def choose(
    wanted: RuntimeChoice,
    opened: Opened[Any],
    quickest: Callable[[], Runtime],
    published: Runtime,
    batches: list[NDArray[np.uint8]],
    threads: Threads,
    *,
    on_cpu: bool,
    optional: bool = False,
    measured: bool = True,
) -> Chosen:
    """The runtime that answers in place of TorchScript's `quickest`, or that. It is made only where it is needed, since that takes time.

    A version's other files have to answer as its `model.pt` does (`published`) on `batches`, uint8 [n,3,h,w]. Those are what speed is
    measured by, too. Where `optional`, a version without the file that is asked for is served by TorchScript. With `measured` off,
    `auto` measures nothing and takes ONNX Runtime, where there is a file. Raises ArtifactUnsuitable, another StoreError, or EngineError.
    """
    name = f"{opened.manifest.name}/{opened.manifest.version}"
    expected = functools.cache(lambda: [published(images, True) for images in batches])
    if wanted == "torchscript" or (wanted == "auto" and not on_cpu):
        return Chosen("torchscript", quickest())
    if not on_cpu:
        log.warning("SEEDLINGS_RUNTIME is %s, but that is for CPUs: %s is served by torchscript, on the GPU", wanted, name)
        return Chosen("torchscript", quickest())
    if wanted != "auto":
        if FILES[wanted] in opened.manifest.files:
            return Chosen(wanted, _checked(wanted, opened, expected, batches, threads))
        remedy = f"put it in with: python -m training convert --artifact {opened.path} --store STORE --format {_FORMATS[wanted]}"
        if not optional:
            raise ArtifactUnsuitable(
                f"{opened.path} has no {FILES[wanted]}, which SEEDLINGS_RUNTIME={wanted} needs; {remedy}, or set it to torchscript"
            )
        log.warning("%s has no %s and is served by torchscript; %s", name, FILES[wanted], remedy)
        return Chosen("torchscript", quickest())
    found: dict[RuntimeName, Runtime] = {}
    for other in get_args(RuntimeName) if measured else (UNMEASURED,):
        if other in FILES and other != "int8" and FILES[other] in opened.manifest.files and installed(other):
            try:
                found[other] = _checked(other, opened, expected, batches, threads)
            except (store.StoreError, EngineError) as error:
                log.warning("%s is not served by %s: %s", name, other, error)
    if found and not measured:
        log.info("%s is served by %s, unmeasured", name, UNMEASURED)
        return Chosen(UNMEASURED, found[UNMEASURED])
    found["torchscript"] = quickest()
    rates = _rates(found, batches, threads, name) if len(found) > 1 else {}
    if not rates:
        log.info("%s is served by torchscript: it has no file for another runtime that works here", name)
        return Chosen("torchscript", found["torchscript"])
    best = max(rates, key=lambda one: rates[one] if one != "torchscript" else CLEARLY * rates[one])
    log.info("%s is served by %s; images/s of a core: %s", name, best, ", ".join(f"{one} {rate:.0f}" for one, rate in rates.items()))
    return Chosen(best, found[best])


def _checked(
    name: RuntimeName, opened: Opened[Any], expected: Callable[[], list[Outputs]], batches: list[NDArray[np.uint8]], threads: Threads
) -> Runtime:
    file = FILES[name]
    content = store.beside(opened.path, opened.manifest, file)
    if content is None:
        raise ArtifactUnsuitable(f"{opened.path} has no {file}")
    try:
        runtime = _open(name, content, threads)
        apart = max(_apart(runtime(images, True), theirs) for images, theirs in zip(batches, expected(), strict=True))
    except ModuleNotFoundError as error:
        hint = installing.command(_LIBRARIES.get(name, name))
        raise EngineError(f"SEEDLINGS_RUNTIME is {name}, but {error.name} is not installed: {hint}") from None
    except ImportError as error:
        raise EngineError(f"{name} does not load on this machine ({first_line(error)}); set SEEDLINGS_RUNTIME to torchscript") from error
    except Exception as error:
        blame_machine(error, opened)
        raise ArtifactCorrupt(f"{opened.path}: {name} cannot run its {file} ({first_line(error)}); export it again") from error
    if not apart <= (TOLERANCE_INT8 if name == "int8" else TOLERANCE):
        remedy = "export it again, or set SEEDLINGS_RUNTIME to torchscript"
        raise ArtifactCorrupt(f"{opened.path}: by {name} its {file} answers otherwise than its model.pt, by {apart:.2g}; {remedy}")
    return runtime


def _open(name: RuntimeName, content: bytes, threads: Threads) -> Runtime:
    """Each library is imported where it is asked for: none is needed for TorchScript."""
    if name == "exported":
        from service.inference.runtimes import exported

        return exported.load(content, threads)
    if name in ("onnxruntime", "int8"):
        from service.inference.runtimes.onnxruntime import OnnxRuntime

        return OnnxRuntime(content, threads)
    from service.inference.runtimes.openvino import OpenVino

    return OpenVino(content, threads)


def _apart(ours: tuple[NDArray[np.float32], ...], published: tuple[NDArray[np.float32], ...]) -> float:
    """The largest difference of a value, of one above 1 as a share of it; infinity where there are fewer, or of another shape."""
    if [one.shape for one in ours[: len(published)]] != [one.shape for one in published]:
        return math.inf
    return max(float((np.abs(one - other) / np.maximum(1, np.abs(other))).max()) for one, other in zip(ours, published, strict=False))


def _rates(found: dict[RuntimeName, Runtime], batches: list[NDArray[np.uint8]], threads: Threads, of: str) -> dict[RuntimeName, float]:
    """Images a second of one core, as the service asks: the first batch by itself, the last one several times side by side; their
    geometric mean.

    What counts is processor time: on a busy machine the clock says who was given the cores. And of it the least that a call took, as in
    Python's timeit: whatever else this process does makes calls dearer, never cheaper. A runtime that fails at that is left out, and the
    log says so: memory may do for one forward pass, and not for two.
    """
    first, last, streams = batches[0], batches[-1], threads.whole // threads.share
    with _MEASURING, ThreadPoolExecutor(streams) as pool:

        def side_by_side(runtime: Runtime) -> None:
            list(pool.map(lambda _: runtime(last, streams == 1), range(streams)))

        paces = {
            name: (
                _Pace(functools.partial(runtime, first, True), len(first)),
                _Pace(functools.partial(side_by_side, runtime), streams * len(last)),
            )
            for name, runtime in found.items()
        }
        rates: dict[RuntimeName, float] = {}
        for turn in range(1 + _TURNS):
            for name in [*paces]:
                try:
                    for pace in paces[name]:
                        if turn:
                            pace.go_on(MEASURED_S / _TURNS / len(found) / len(paces[name]))
                        else:
                            pace.warm(1 if name in SHAPES_ALIKE else _WARM)
                except Exception as error:
                    log.warning("%s is not served by %s: it failed while it was measured (%s)", of, name, first_line(error))
                    del paces[name]
                    rates.pop(name, None)
                    continue
                if turn:
                    rates[name] = math.prod(pace.per_s for pace in paces[name]) ** 0.5
            if turn > 1:
                paces = {name: pair for name, pair in paces.items() if rates[name] * _BEHIND >= max(rates.values())}
            if turn > 1 and len(paces) == 1:
                break
    return rates


class _Pace:
    """What processor time some work takes, measured piece by piece."""

    def __init__(self, work: Callable[[], object], images: int) -> None:
        self._work, self._images = work, images
        self._least_s = math.inf  # of processor time, for a call

    def warm(self, times: int) -> None:
        """Work without a clock."""
        for _ in range(times):
            self._work()

    @property
    def per_s(self) -> float:
        """Images a second of one core so far."""
        return self._images / self._least_s

    def go_on(self, seconds: float) -> None:
        """Work for so much processor time, once at least."""
        until_s = time.process_time() + seconds
        while True:
            begun_s = time.process_time()
            self._work()
            done_s = time.process_time()
            self._least_s = min(self._least_s, done_s - begun_s)
            if done_s >= until_s:
                break
