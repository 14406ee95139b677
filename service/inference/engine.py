"""A verified artifact → a network that answers. The only module of the service that knows the artifact's format.

Another format (torch.export) follows by giving an object that is a `Model` of the registry.
"""

import contextlib
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
import torch.jit
from numpy.typing import NDArray

from models_store import artifact
from models_store.artifact import Answer, Capability
from models_store.manifest import Manifest, SegmenterManifest
from models_store.store import ArtifactCorrupt, Opened
from service.errors import ModelFailed
from service.inference import cpu_graph
from service.inference.segmenter import Segmenter
from service.settings import Settings

log = logging.getLogger(__name__)
Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16"]
_Answers = Callable[[torch.Tensor], Answer[torch.Tensor]]
_SUM_TOLERANCE = 1e-3
_SMALLEST = 1e-12  # an image on which nothing speaks for a species has a saliency of 0, not 0/0
_COMPARED = 4  # images on which two forms of a forward pass are compared
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 600.0  # before the quicker form of a forward pass is tried again
# How far two forms of a forward pass may be apart, in a probability and in a distance, this as a share of it. In float32
# rounding gives a hundredth of that, in bfloat16 a third.
TOLERANCE: dict[torch.dtype, float] = {torch.float32: 1e-4, torch.bfloat16: 0.03}


class EngineError(Exception):
    """This machine cannot run the model now: the device asked for is not there, or memory is short."""


class Engine:
    """One loaded version. `predict_batch` and `saliency` may be called from several threads at a time, as many as `streams` says.

    One that runs `alone` computes with all of `threads`, else with its share of them: two batches of one thread each are
    through sooner than one after the other with two threads, which wait for each other at the end of each layer.
    """

    def __init__(
        self, manifest: Manifest, module: torch.jit.ScriptModule, answers: _Answers, device: torch.device, threads: int, streams: int = 1
    ) -> None:
        self.manifest = manifest
        self._module = module  # as published; its halves explain an answer
        self.capabilities = artifact.capabilities(module)
        self._answers = answers  # its answers, by the form of its forward pass that is quickest here
        self._device = device
        self._threads, self._share = threads, max(1, threads // streams)

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
        self._use_threads(alone)
        try:
            with torch.inference_mode():
                probabilities, distances = self._answers(self._batch(pixels))
                if not isinstance(probabilities, torch.Tensor) or probabilities.shape != (len(pixels), len(self.manifest.species)):
                    raise ModelFailed("the model's output has a wrong shape")
                return Answer(_numpy(probabilities), None if distances is None else _numpy(distances))
        except ModelFailed:
            raise
        except Exception as error:
            raise ModelFailed("the model raised an error") from error

    def saliency(self, pixels: NDArray[np.uint8], species: Sequence[int], alone: bool = True) -> NDArray[np.float32]:
        """Where the last convolution spoke for a species, one for each image: uint8 [n, 3, size, size] → float32 [n, h, w], 0–1.

        Grad-CAM (Selvaraju et al. 2017) on the artifact itself, each activation weighted by its own gradient (HiResCAM,
        Draelos & Carin 2020): the dense layers behind see positions, over which a mean gradient would smear. What spoke
        against the species is left out. Raises ModelFailed, also where the model is not `explainable`.
        """
        self._use_threads(alone)
        try:
            with torch.no_grad():
                features = self._module.features(self._batch(pixels))  # [n, c, h, w]
            with torch.enable_grad():
                features.requires_grad_()
                logits = self._module.classify(features)  # [n, species]
                (gradient,) = torch.autograd.grad(logits[range(len(pixels)), species].sum(), features)
            saliency = (gradient * features.detach()).sum(1).relu()  # [n, h, w]
            saliency /= saliency.amax((1, 2), keepdim=True).clamp(min=_SMALLEST)
            return _numpy(saliency)
        except Exception as error:
            raise ModelFailed("the model raised an error") from error

    def _use_threads(self, alone: bool) -> None:
        # Each time: OpenMP keeps this count for each thread, MKL one for all of them.
        torch.set_num_threads(self._threads if alone else self._share)

    def _batch(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(pixels).to(self._device).contiguous(memory_format=torch.channels_last)


def _numpy(tensor: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = tensor.float().cpu().numpy()
    return array


def computes_in_bfloat16() -> bool:
    """Whether this processor is made for it and oneDNN takes it, so that `load` does; `training/machine.py` has the same rule.

    torch's list of abilities knows neither the limits of oneDNN nor its masks; oneDNN counts processors that only imitate it.
    """
    made_for_it = any("bf16" in name for name, there in torch.cpu.get_capabilities().items() if there)
    in_onednn = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()  # type: ignore[no-untyped-call]
    return made_for_it and bool(in_onednn)


def load_as_set(opened: Opened[Manifest], settings: Settings, given_up: Callable[[], bool]) -> Engine:
    """`load` with the settings of the service."""
    return load(
        opened,
        device=settings.device,
        threads=settings.inference_threads,
        streams=settings.streams,
        batch_size=settings.batch_size,
        precision=settings.precision,
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
    given_up: Callable[[], bool] = lambda: False,
) -> Engine:
    """Load, check, freeze and warm a verified artifact. Raises ArtifactCorrupt or EngineError.

    In bfloat16, for processors that compute in it, answers come sooner and are rounded: see `service/inference/cpu_graph.py`.
    What makes answers come sooner never stands in the way of them: where it is not there, fails, or would change answers by more
    than rounding, the model is served without it, in float32, and the log says so.

    Every size of a batch up to `batch_size` is run, since the first calls of a shape are slow; once `given_up()`, the rest is
    left out, for a process that is asked to end meanwhile.
    """
    where = _device(device)
    dtype = _dtype(precision, where)
    module = _module(opened, where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        answers = _quickest(module, opened.manifest, where, dtype)
    engine = Engine(opened.manifest, module, answers, where, threads, streams)
    _check(engine, opened)
    try:
        for size in range(1, batch_size + 1):
            for alone in () if given_up() else (True, False):  # the first run of a shape records, the second one specialises
                engine.predict_batch(_grey(engine, size), alone)
    except ModelFailed as error:
        _blame_machine(error, opened)
        raise ArtifactCorrupt(f"{opened.path}: {error} on {size} images at a time; export it again") from error
    return engine


def load_segmenter(opened: Opened[SegmenterManifest], settings: Settings) -> Segmenter:
    """Load and check a verified segmenter. Raises ArtifactCorrupt or EngineError."""
    where = _device(settings.device)
    module = _module(opened, where)
    with contextlib.suppress(Exception):  # it is quicker, no more
        module = torch.jit.freeze(module.to(memory_format=torch.channels_last))
    segmenter = Segmenter(opened.manifest, module, where, settings.inference_threads)
    try:
        segmenter.segment(np.full((3, opened.manifest.input.multiple, opened.manifest.input.multiple), 128, np.uint8))
    except ModelFailed as error:
        _blame_machine(error, opened)
        raise ArtifactCorrupt(f"{opened.path}: {error}; export it again") from error
    return segmenter


def _module(opened: Opened[Any], where: torch.device) -> torch.jit.ScriptModule:
    """The module of an artifact, as it was published. Raises ArtifactCorrupt or EngineError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TorchScript is the artifact's format for now
        warnings.simplefilter("ignore", FutureWarning)
        try:
            return torch.jit.load(opened.model, map_location=where).eval()  # type: ignore[no-any-return,no-untyped-call]
        except Exception as error:
            _blame_machine(error, opened)
            raise ArtifactCorrupt(f"{opened.path} holds no TorchScript that loads here: {_first_line(error)}") from error


def _quickest(module: torch.jit.ScriptModule, manifest: Manifest, device: torch.device, dtype: torch.dtype) -> _Answers:
    """The module's answers by its forward pass built anew, where that can be done and gives the same; else frozen, or as it is."""
    measured = manifest.calibration.familiarity if Capability.MEASURE in artifact.capabilities(module) else None
    form = module

    def published(images: torch.Tensor) -> Answer[torch.Tensor]:
        return Answer(*form.answer(images)) if measured else Answer(form(images), None)

    try:
        form = torch.jit.freeze(module.to(memory_format=torch.channels_last), preserved_attrs=[artifact.ANSWER] if measured else [])
        rebuilt = cpu_graph.rebuild(form, measured.convolution if measured else 0, dtype) if device.type == "cpu" else None
        scripted = None if rebuilt is None else torch.jit.script(rebuilt)
    except Exception as error:
        _served_slowly(manifest, error)
        return published
    if scripted is None:
        return _in_float32(published, manifest, dtype)

    def quick(images: torch.Tensor) -> Answer[torch.Tensor]:
        probabilities, activations = scripted(images)
        return Answer(probabilities, module.distance(activations.float()) if measured else None)

    answers = _Guarded(quick, published, manifest, dtype)
    shape = (_COMPARED, manifest.input.channels, manifest.input.size, manifest.input.size)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, np.uint8)).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        try:
            answers(images)
        except Exception:  # both forms fail: the model's own fault, which the check of the engine names
            return published
    return answers


class _Guarded:
    """Answers by the quick form of a forward pass; where that fails, for a while by the published one.

    The first answers of the quick form are compared with the published ones, and where they differ by more than rounding, it
    is never asked again.

    A kernel may be missing on one processor, or from one release of torch, or fail for one size of a batch alone: so each
    size has its own pause, longer after each failure. Memory may be short for a moment: so no pause is for ever. Where the
    published form fails on the same images, the images or the model are to blame, and the quick form stays.
    """

    def __init__(self, quick: _Answers, published: _Answers, manifest: Manifest, dtype: torch.dtype) -> None:
        self._quick, self._published, self._manifest, self._dtype = quick, published, manifest, dtype
        self._same: bool | None = None  # as the published form's answers; None: not compared yet
        self._pauses: dict[int, tuple[float, float]] = {}  # size of a batch → when to try again, seconds of the pause

    def __call__(self, images: torch.Tensor) -> Answer[torch.Tensor]:
        size = len(images)
        until_s, pause_s = self._pauses.get(size, (0.0, 0.0))
        if self._same is False or time.monotonic() < until_s:
            return self._published(images)
        try:
            answers = self._quick(images)
        except Exception as error:
            answers = self._published(images)
            if not self._pauses:
                _served_slowly(self._manifest, error)
            pause_s = min(max(FIRST_PAUSE_S, 2 * pause_s), LONGEST_PAUSE_S)
            self._pauses[size] = (time.monotonic() + pause_s, pause_s)
            return answers
        if size in self._pauses:
            self._pauses.pop(size, (0.0, 0.0))  # by this thread or by another one
            log.warning("%s/%s: its quicker form works again, for %d images at a time", self._manifest.name, self._manifest.version, size)
        return answers if self._same else self._compared(answers, self._published(images))

    def _compared(self, ours: Answer[torch.Tensor], theirs: Answer[torch.Tensor]) -> Answer[torch.Tensor]:
        self._same = torch.allclose(ours.probabilities, theirs.probabilities, rtol=0, atol=TOLERANCE[self._dtype])
        if ours.distances is not None and theirs.distances is not None:
            self._same = self._same and torch.allclose(ours.distances, theirs.distances, rtol=TOLERANCE[self._dtype])
        if not self._same:
            _in_float32(self._published, self._manifest, self._dtype)
        return theirs


def _served_slowly(manifest: Manifest, error: Exception) -> None:
    name, version = manifest.name, manifest.version
    log.warning("%s/%s is served as published, more slowly: its quicker form fails here (%s)", name, version, _first_line(error))


def _in_float32(answers: _Answers, manifest: Manifest, asked: torch.dtype) -> _Answers:
    """The module's own answers, in float32. Logs a warning if another precision was asked for."""
    if asked != torch.float32:
        log.warning("%s/%s is served in float32: bfloat16 would change its answers, or its layers", manifest.name, manifest.version)
    return answers


def _check(engine: Engine, opened: Opened[Manifest]) -> None:
    lacking = {*Capability} & {*(engine.manifest.capabilities or [])} - {*engine.capabilities}
    if lacking:
        raise ArtifactCorrupt(
            f"{opened.path}: its manifest says that it can {' and '.join(sorted(lacking))}, its model cannot; export it again"
        )
    if engine.manifest.calibration.familiarity is not None and not engine.measuring:
        raise ArtifactCorrupt(f"{opened.path}: its manifest has a limit on a distance that the model does not give; export it again")
    try:
        (row,), _ = engine.predict_batch(_grey(engine, 1))
        if engine.explainable:
            engine.saliency(_grey(engine, 1), [0])
    except ModelFailed as error:
        _blame_machine(error, opened)
        raise ArtifactCorrupt(f"{opened.path}: {error}; its manifest promises {len(opened.manifest.species)} species") from error
    if not np.isfinite(row).all() or abs(float(row.sum()) - 1) > _SUM_TOLERANCE:
        raise ArtifactCorrupt(f"{opened.path}: the model's answer does not sum to 1; export it again")


def _blame_machine(error: Exception, opened: Opened[Any]) -> None:
    """Raise EngineError where an artifact failed for want of memory, or with its device: it may be good."""
    cause: BaseException | None = error
    while cause is not None:
        # On CPUs torch has no class of its own for it; its allocator's words are all there is.
        if isinstance(cause, MemoryError | torch.AcceleratorError | torch.OutOfMemoryError) or any(
            words in str(cause) for words in ("allocate memory", "not enough memory", "bad_alloc")
        ):
            raise EngineError(f"{opened.path} cannot run on this machine now: {_first_line(cause)}") from error
        cause = cause.__cause__


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


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
