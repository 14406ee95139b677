"""A verified artifact → a network that answers, by one of the runtimes."""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models_store.artifact import Answer, Capability
from models_store.manifest import Manifest, SegmenterManifest
from models_store.plants import Plant
from models_store.store import ArtifactCorrupt, Opened
from service.errors import ModelFailed
from service.inference.runtimes import choice
from service.inference.runtimes.choice import Chosen
from service.inference.runtimes.faults import EngineError, blame_machine
from service.inference.runtimes.runtime import Threads
from service.inference.runtimes.torchscript import COMPARED, TorchScriptModel
from service.inference.segmenter import Segmenter
from service.process import memory
from service.settings import Device, Precision, RuntimeChoice, Settings

__all__ = ["Engine", "EngineError", "computes_in_bfloat16", "load", "load_as_set", "load_segmenter"]
log = logging.getLogger(__name__)
_SUM_TOLERANCE = 1e-3
# Of each worker: to measure took 1.1 GiB at its highest, ONNX Runtime alone 0.8 GiB; with a second model to measure took 1.33 GiB.
MEASURING_BYTES, SECOND_BYTES = 3 * 2**29, 2**28


class Engine:
    """One loaded version. `predict_batch` and `saliency` may be called from several threads at a time, as many as `streams` says.

    A batch that runs `alone` has all of `threads`, else its share of them. Two batches side by side with one thread each are done
    sooner than one after the other with two threads: these wait for each other at the end of each layer.
    """

    def __init__(self, manifest: Manifest, published: TorchScriptModel, chosen: Chosen) -> None:
        self.manifest = manifest
        self.runtime, self._runtime = chosen
        self._published = published  # its halves explain an answer
        self.capabilities = published.capabilities

    @property
    def size(self) -> int:
        """Pixels a side of what `predict_batch` takes."""
        return self.manifest.input.size

    @property
    def version(self) -> str:
        """The version, as it stands in answers."""
        return str(self.manifest.version)

    @property
    def explainable(self) -> bool:
        """Whether the artifact exports its two halves, which `saliency` needs."""
        return Capability.EXPLAIN in self.capabilities

    @property
    def measuring(self) -> bool:
        """Whether the artifact tells the distance from the images trained on."""
        return Capability.MEASURE in self.capabilities

    def predict_batch(self, pixels: NDArray[np.uint8], alone: bool = True) -> Answer[NDArray[np.float32]]:
        """uint8 [n, 3, size, size] → probabilities [n, species], and distances [n] where the artifact measures them.

        A number that is not finite is the caller's to refuse. Raises ModelFailed if the network raises or its output has
        another shape.
        """
        try:
            outputs = self._runtime(pixels, alone)
        except Exception as error:
            raise ModelFailed("the model raised an error") from error
        if outputs[0].shape != (len(pixels), len(self.manifest.species)):
            raise ModelFailed("the model's output has a wrong shape")
        distances = self.measuring and self.manifest.calibration.familiarity is not None
        return Answer(outputs[0], outputs[1] if distances else None)

    def saliency(self, pixels: NDArray[np.uint8], species: Sequence[int], alone: bool = True) -> NDArray[np.float32]:
        """Where the last convolution spoke for a species, one for each image: uint8 [n, 3, size, size] → float32 [n, h, w], 0–1.

        By `model.pt`, whichever runtime answers: no other form has gradients. Raises ModelFailed, also where it is not `explainable`.
        """
        return self._published.saliency(pixels, species, alone)


def computes_in_bfloat16() -> bool:
    """Whether this processor is made for it and oneDNN takes it, so that `load` does; `training/machine.py` has the same rule.

    torch's list of abilities knows neither the limits of oneDNN nor its masks; oneDNN counts processors that only imitate it.
    """
    made_for_it = any("bf16" in name for name, there in torch.cpu.get_capabilities().items() if there)
    in_onednn = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()  # type: ignore[no-untyped-call]
    return made_for_it and bool(in_onednn)


def load_as_set(
    opened: Opened[Manifest], settings: Settings, given_up: Callable[[], bool], *, brief: bool = False, beside: str | None = None
) -> Engine:
    """`load` with the settings of the service; `beside` another model whose runtime was chosen here, without measuring once more."""
    return load(
        opened,
        device=settings.device,
        threads=settings.inference_threads,
        streams=settings.streams,
        batch_size=settings.batch_size,
        precision=settings.precision,
        runtime="torchscript" if settings.runtime == "auto" and beside == "torchscript" else settings.runtime,
        brief=brief,
        measured=beside is None and _may_measure(settings),
        given_up=given_up,
    )


def load(
    opened: Opened[Manifest],
    *,
    device: Device,
    threads: int,
    batch_size: int,
    streams: int = 1,
    precision: Precision = "float32",
    runtime: RuntimeChoice = "torchscript",
    brief: bool = False,
    measured: bool = True,
    given_up: Callable[[], bool] = lambda: False,
) -> Engine:
    """Load, check, freeze and warm a verified artifact. Raises ArtifactCorrupt or EngineError.

    In bfloat16, for processors that compute in it, answers come sooner and are rounded: see `service/inference/cpu_graph.py`.
    What makes answers come sooner may be absent, fail, or change answers by more than rounding. Then the model is served without it, in
    float32, and the log says so.

    By another `runtime` than TorchScript's it is served where its version has the file for it, and where that answers alike; see
    `service/inference/runtimes/choice.py`.

    Every size of a batch up to `batch_size` is run where the first calls of a shape are slow; once `given_up()`, the rest is
    left out, for a process that is asked to end meanwhile. `brief`, for who asks a little and explains nothing: runtimes are compared on
    one image, none is measured, no heat map is tried, and no batch is run before the first answer. With `measured` off none is, either.
    """
    where = _device(device)
    dtype = _dtype(precision, where)
    pool = Threads.of(threads, streams)
    published = TorchScriptModel(opened, where, pool)
    manifest = opened.manifest
    shape = (manifest.input.channels, manifest.input.size, manifest.input.size)
    batches = [_drawn(1, shape), *([] if brief else [_drawn(max(COMPARED, batch_size), shape)])]
    chosen = choice.choose(
        _in_its_precision(runtime, dtype),
        opened,
        lambda: published.answers(manifest, dtype),
        published.as_published(manifest),
        batches,
        pool,
        on_cpu=where.type == "cpu",
        measured=measured and not brief,
    )
    engine = Engine(manifest, published, chosen)
    _check(engine, opened, explaining=not brief)
    if brief:
        return engine
    sizes = (1, batch_size) if chosen.name in choice.SHAPES_ALIKE else range(1, batch_size + 1)
    try:
        for size in sizes:
            for alone in () if given_up() else (True, False):  # the first run of a shape records, the second one specialises
                engine.predict_batch(_grey(engine, size), alone)
    except ModelFailed as error:
        blame_machine(error, opened)
        raise ArtifactCorrupt(f"{opened.path}: {error} on {size} images at a time; export it again") from error
    return engine


def load_segmenter(opened: Opened[SegmenterManifest], settings: Settings, *, brief: bool = False) -> Segmenter:
    """Load and check a verified segmenter. Raises ArtifactCorrupt or EngineError."""
    where = _device(settings.device)
    pool = Threads.of(settings.inference_threads, 1)
    published = TorchScriptModel(opened, where, pool)
    maps, multiple = published.maps(), opened.manifest.input.multiple
    photos = [_drawn(1, (3, 4 * multiple, 6 * multiple)), _drawn(1, (3, multiple, 2 * multiple))]
    on_cpu = where.type == "cpu"
    wanted: RuntimeChoice = "auto" if settings.runtime == "int8" else settings.runtime  # a segmenter has no such file
    measured = not brief and _may_measure(settings)
    chosen = choice.choose(wanted, opened, lambda: maps, maps, photos, pool, on_cpu=on_cpu, optional=True, measured=measured)
    if opened.manifest.thresholds.clump is not None and Capability.CLUMPS not in published.capabilities:
        raise ArtifactCorrupt(f"{opened.path}: its manifest says that it can tell clumps, its model cannot; export it again")
    segmenter = Segmenter(opened.manifest, chosen, published.clumps() if Capability.CLUMPS in published.capabilities else None)
    grey = np.full((3, multiple, multiple), 128, np.uint8)
    try:
        segmenter.segment(grey)
        for _ in range(2):  # the first run of a shape records, the second one specialises
            segmenter.classify(grey, [Plant(0, 0, np.ones((multiple, multiple), bool), clump=False)])
    except ModelFailed as error:
        blame_machine(error, opened)
        raise ArtifactCorrupt(f"{opened.path}: {error}; export it again") from error
    return segmenter


def _may_measure(settings: Settings) -> bool:
    """Whether the container has the memory to hold several runtimes of a model at one time. One that has not would be ended for it."""
    limit = memory.limit_bytes()
    needed = MEASURING_BYTES + (SECOND_BYTES if settings.second else 0)
    return limit is None or limit >= settings.workers * needed


def _in_its_precision(runtime: RuntimeChoice, dtype: torch.dtype) -> RuntimeChoice:
    """TorchScript alone computes in bfloat16, so it is what answers where that was asked for and nothing else was."""
    if dtype == torch.float32 or runtime == "torchscript":
        return runtime
    if runtime == "auto":
        return "torchscript"
    log.warning("SEEDLINGS_PRECISION is bfloat16, which %s does not take: set SEEDLINGS_RUNTIME to torchscript, or unset one", runtime)
    return runtime


def _check(engine: Engine, opened: Opened[Manifest], *, explaining: bool) -> None:
    lacking = {*Capability} & {*(engine.manifest.capabilities or [])} - {*engine.capabilities}
    if lacking:
        raise ArtifactCorrupt(
            f"{opened.path}: its manifest says that it can {' and '.join(sorted(lacking))}, its model cannot; export it again"
        )
    if engine.manifest.calibration.familiarity is not None and not engine.measuring:
        raise ArtifactCorrupt(f"{opened.path}: its manifest has a limit on a distance that the model does not give; export it again")
    try:
        (row,), _ = engine.predict_batch(_grey(engine, 1))
        if engine.explainable and explaining:
            engine.saliency(_grey(engine, 1), [0])
    except ModelFailed as error:
        blame_machine(error, opened)
        raise ArtifactCorrupt(f"{opened.path}: {error}; its manifest promises {len(opened.manifest.species)} species") from error
    if not np.isfinite(row).all() or abs(float(row.sum()) - 1) > _SUM_TOLERANCE:
        raise ArtifactCorrupt(f"{opened.path}: the model's answer does not sum to 1; export it again")


def _drawn(n: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (n, *shape), np.uint8)


def _grey(engine: Engine, n: int) -> NDArray[np.uint8]:
    return np.full((n, engine.manifest.input.channels, engine.size, engine.size), 128, np.uint8)


def _device(device: Device) -> torch.device:
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise EngineError("SEEDLINGS_DEVICE is cuda, but there is no CUDA device; set it to auto or cpu")
    return torch.device("cuda" if there and device != "cpu" else "cpu")


def _dtype(precision: Precision, device: torch.device) -> torch.dtype:
    if precision == "float32":
        return torch.float32
    if device.type == "cpu" and computes_in_bfloat16():
        return torch.bfloat16
    where = "this processor does not compute in it" if device.type == "cpu" else "that is for CPUs"
    log.warning("SEEDLINGS_PRECISION is bfloat16, but %s: models are served in float32, the default", where)
    return torch.float32
