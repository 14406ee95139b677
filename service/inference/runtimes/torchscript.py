"""`model.pt` by torch: as it was published, and by the form of its forward pass that is quickest here.

The only module of the service that knows TorchScript.
"""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.jit
from numpy.typing import NDArray

from models_store import artifact
from models_store.artifact import Answer, Capability
from models_store.manifest import Manifest
from models_store.store import ArtifactCorrupt, Opened
from service.errors import ModelFailed
from service.inference import cpu_graph
from service.inference.runtimes.faults import blame_machine, first_line
from service.inference.runtimes.runtime import Threads, TorchRuntime, to_numpy, to_tensor

log = logging.getLogger(__name__)
_COMPILING = threading.Lock()  # torch's compiler keeps tables that all threads share, and two models are loaded at one time
_Answers = Callable[[torch.Tensor], Answer[torch.Tensor]]
_SMALLEST = 1e-12  # an image on which nothing speaks for a species has a saliency of 0, not 0/0
COMPARED = 4  # images on which two forms of a forward pass are compared
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 600.0  # before the quicker form of a forward pass is tried again
# How far two forms of a forward pass may be apart, in a probability and in a distance, this as a share of it. In float32
# rounding gives a hundredth of that, in bfloat16 a third.
TOLERANCE: dict[torch.dtype, float] = {torch.float32: 1e-4, torch.bfloat16: 0.03}


class TorchScriptModel:
    """A `model.pt`."""

    def __init__(self, opened: Opened[Any], device: torch.device, threads: Threads) -> None:
        """Load it. Raises ArtifactCorrupt or EngineError."""
        self._module = _module(opened, device)
        self._device, self._threads = device, threads
        self.capabilities = artifact.capabilities(self._module)

    def answers(self, manifest: Manifest, dtype: torch.dtype) -> TorchRuntime:
        """Probabilities, and distances where there is a limit on them: by the form that is quickest here."""
        with _COMPILING:
            answers = _quickest(self._module, manifest, self._device, dtype)
        return TorchRuntime(lambda images: [part for part in answers(images) if part is not None], self._device, self._threads)

    def as_published(self, manifest: Manifest) -> TorchRuntime:
        """The same by its own operations, in float32."""
        if Capability.MEASURE in self.capabilities and manifest.calibration.familiarity is not None:
            return TorchRuntime(self._module.answer, self._device, self._threads)
        return TorchRuntime(lambda images: (self._module(images),), self._device, self._threads)

    def maps(self) -> TorchRuntime:
        """All that a segmenter gives."""
        form = self._module
        with _COMPILING, contextlib.suppress(Exception):  # it is quicker, no more
            form = torch.jit.freeze(self._module.to(memory_format=torch.channels_last))
        return TorchRuntime(form, self._device, self._threads)

    def clumps(self) -> TorchRuntime:
        """Of a segmenter: how probable it is that a part holds several plants, uint8 [P,4,S,S] → float32 [P]. By one thread."""
        return TorchRuntime(lambda parts: (self._module.clump_probability(parts),), self._device, Threads(1, 1))

    def saliency(self, pixels: NDArray[np.uint8], species: Sequence[int], alone: bool = True) -> NDArray[np.float32]:
        """Where the last convolution spoke for a species, one for each image: uint8 [n, 3, size, size] → float32 [n, h, w], 0–1.

        Grad-CAM (Selvaraju et al. 2017) on the artifact itself, each activation weighted by its own gradient (HiResCAM,
        Draelos & Carin 2020): the dense layers behind see positions, over which a mean gradient would smear. What spoke
        against the species is left out. Raises ModelFailed, also where the model is not `explainable`.
        """
        self._threads.use(alone)
        try:
            with torch.no_grad():
                features = self._module.features(to_tensor(pixels, self._device))  # [n, c, h, w]
            with torch.enable_grad():
                features.requires_grad_()
                logits = self._module.classify(features)  # [n, species]
                (gradient,) = torch.autograd.grad(logits[range(len(pixels)), species].sum(), features)
            saliency = (gradient * features.detach()).sum(1).relu()  # [n, h, w]
            saliency /= saliency.amax((1, 2), keepdim=True).clamp(min=_SMALLEST)
            return to_numpy(saliency)
        except Exception as error:
            raise ModelFailed("the model raised an error") from error


def _module(opened: Opened[Any], where: torch.device) -> torch.jit.ScriptModule:
    """The module of an artifact, as it was published. Raises ArtifactCorrupt or EngineError."""
    with _COMPILING:
        try:
            return torch.jit.load(opened.model, map_location=where).eval()  # type: ignore[no-any-return,no-untyped-call]
        except Exception as error:
            blame_machine(error, opened)
            raise ArtifactCorrupt(f"{opened.path} holds no TorchScript that loads here: {first_line(error)}") from error


def _quickest(module: torch.jit.ScriptModule, manifest: Manifest, device: torch.device, dtype: torch.dtype) -> _Answers:
    """The module's answers by its forward pass built anew, where that can be done and gives the same; else frozen, or as it is."""
    measured = manifest.calibration.familiarity if Capability.MEASURE in artifact.capabilities(module) else None
    looks = measured is not None and measured.convolution is None
    form = module

    def published(images: torch.Tensor) -> Answer[torch.Tensor]:
        return Answer(*form.answer(images)) if measured else Answer(form(images), None)

    try:
        kept = [artifact.ANSWER] if measured else []
        if looks:
            kept.append(artifact.LOOK)
        form = torch.jit.freeze(module.to(memory_format=torch.channels_last), preserved_attrs=kept)
        place = measured.convolution if measured else None
        rebuilt = cpu_graph.rebuild(form, place or 0, dtype, not looks) if device.type == "cpu" else None
        scripted = None if rebuilt is None else torch.jit.script(rebuilt)
    except Exception as error:
        _served_slowly(manifest, error)
        return published
    if scripted is None:
        return _in_float32(published, manifest, dtype)

    def quick(images: torch.Tensor) -> Answer[torch.Tensor]:
        if looks:
            shown, texture = form.look(images)
            return Answer(scripted(shown)[0], module.distance(texture))
        probabilities, activations = scripted(images)
        return Answer(probabilities, module.distance(activations.float()) if measured else None)

    answers = _Guarded(quick, published, manifest, dtype)
    shape = (COMPARED, manifest.input.channels, manifest.input.size, manifest.input.size)
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
    log.warning("%s/%s is served as published, more slowly: its quicker form fails here (%s)", name, version, first_line(error))


def _in_float32(answers: _Answers, manifest: Manifest, asked: torch.dtype) -> _Answers:
    """The module's own answers, in float32. Logs a warning if another precision was asked for."""
    if asked != torch.float32:
        log.warning("%s/%s is served in float32: bfloat16 would change its answers, or its layers", manifest.name, manifest.version)
    return answers
