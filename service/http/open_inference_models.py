"""The models that `/v2` serves: what each takes and gives, and how it is asked. Knows no routes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from models_store import pixels
from models_store.manifest import Species
from service import answers, detections
from service.errors import ServiceError, UnknownModel
from service.http import open_inference_codec as codec
from service.http.open_inference_codec import Image, InputLimits
from service.http.services import Services
from service.inference.detector import MOST_PLANTS, DetectionOptions, Segmentation
from service.inference.fan_out import each
from service.inference.predictor import Models, Prediction
from service.inference.registry import Model
from service.inference.segmenter import Segmenter

PLANT, NEAR, AFAR, BOXES, AREAS, CLUMPS = "plant", "centres_near", "centres_afar", "boxes", "areas", "clumps"
MOST_PHOTOS = 1  # of a request to the segmenter: maps of photos of several sizes are no tensor
# By runtime, <project>_<format>, as the protocol names those that it knows. What reads an ONNX file, it does not ask.
_PLATFORMS = {"torchscript": "pytorch_torchscript", "exported": "pytorch_pt2"} | dict.fromkeys(
    ("onnxruntime", "openvino", "int8"), "onnx_onnxv1"
)
Answer = TypeVar("Answer")
Tensor = tuple[str, str, list[int]]  # name, datatype, shape; -1 is a free dimension


@dataclass(frozen=True)
class InferenceResult:
    """What a model says of the images of a request."""

    tensors: dict[str, NDArray[Any]]
    timing: str  # the `Server-Timing` header


class InferenceModel(Protocol):
    """A model as the protocol sees it."""

    name: str
    version: str
    platform: str  # what its file is made for
    outputs: Sequence[Tensor]
    labels: list[Species]  # of the extension `classification`

    @property
    def takes(self) -> InputLimits:
        """What a request may hold."""

    def check_open(self) -> None:
        """Whether a request can be taken now, before its body is read. Raises NotReady or QueueFull."""

    async def infer(self, images: list[Image]) -> InferenceResult:
        """Ask it. Raises the error of the first image that has one, its number in front."""


def named(services: Services, name: str, version: str | None) -> InferenceModel:
    """The model in service of that name, if it is the version that is asked for. Raises UnknownModel or NotReady."""
    settings, second = services.settings, services.second
    made: dict[str, Callable[[], InferenceModel]] = {}
    if second is not None:
        made[second.manifest.name] = lambda: Classifier(services, second.manifest.name, second)
    made |= {
        settings.segmenter: lambda: ServedSegmenter(services, services.detector.segmenter()),
        settings.model: lambda: Classifier(services, settings.model, services.predictor.model()),
    }
    if name not in made:
        *most, last = map(repr, reversed(made))
        raise UnknownModel(f"there is no model {name[:100]!r}; there are {', '.join(most)} and {last}")
    model = made[name]()
    if version is not None and version != model.version:
        raise UnknownModel(f"version {version[:20]!r} of {name!r} is not in service; version {model.version} is")
    return model


def ready(services: Services, name: str) -> bool:
    """Whether the model of that name can be asked; its errors are for `named` to raise."""
    if services.shutdown.draining:
        return False
    return services.detector.alive if name == services.settings.segmenter else services.status == "ready"


class Classifier:
    """A model that names plants: the first one, or the second one."""

    def __init__(self, services: Services, name: str, model: Model) -> None:
        self._services, self._model = services, model
        self.name, self.version, self.labels = name, model.version, model.manifest.species
        self.platform = _PLATFORMS[model.runtime]
        strangeness: list[Tensor] = [(codec.FAMILIAR, "BOOL", [-1]), (codec.OOD_SCORE, "FP32", [-1])]
        self.outputs: Sequence[Tensor] = [
            (codec.PROBABILITIES, "FP32", [-1, len(self.labels)]),
            (codec.SPECIES, "BYTES", [-1]),
            (codec.CONFIDENT, "BOOL", [-1]),
            (codec.ANSWER, "BYTES", [-1]),
            (codec.ANSWER_RANK, "BYTES", [-1]),
            (codec.ANSWER_PROBABILITY, "FP32", [-1]),
            *(strangeness if model.manifest.calibration.familiarity is not None else []),
        ]

    @property
    def takes(self) -> InputLimits:
        """Images of its size."""
        return InputLimits((self._model.size, self._model.size), codec.MAX_IMAGES, codec.OUTPUTS)

    def check_open(self) -> None:
        """As `InferenceModel` says."""
        self._services.check_open()

    async def infer(self, images: list[Image]) -> InferenceResult:
        """As `InferenceModel` says; all of them by one version."""

        async def one(image: Image) -> Prediction:
            return await self._services.predictor.predict(image, Models(self._model, None))

        predictions = await _all(one, images, self._services)
        return InferenceResult(codec.outputs(self.labels, predictions), answers.timing(*predictions))


class ServedSegmenter:
    """The model that finds plants: its maps, and the plants that they show."""

    outputs: Sequence[Tensor] = (
        (PLANT, "FP32", [1, -1, -1]),
        (NEAR, "FP32", [1, -1, -1]),
        (AFAR, "FP32", [1, -1, -1]),
        (BOXES, "INT32", [-1, 4]),
        (AREAS, "FP32", [-1]),
        (CLUMPS, "BOOL", [-1]),
    )

    def __init__(self, services: Services, segmenter: Segmenter) -> None:
        self._services, self._segmenter = services, segmenter
        self.name, self.version = services.settings.segmenter, segmenter.version
        self.platform = _PLATFORMS[segmenter.runtime]
        self.labels: list[Species] = []

    @property
    def takes(self) -> InputLimits:
        """One photo of any size."""
        most_pixels = self._services.settings.max_pixels
        return InputLimits((-1, -1), MOST_PHOTOS, tuple(name for name, _, _ in self.outputs), pixels.MIN_SIDE, most_pixels)

    def check_open(self) -> None:
        """As `InferenceModel` says."""
        self._services.check_open_for_segmenting()

    async def infer(self, images: list[Image]) -> InferenceResult:
        """As `InferenceModel` says; by the version that it names, though another one may have come into service since."""

        async def one(image: Image) -> Segmentation:
            return await self._services.detector.segment(image, DetectionOptions(max_plants=MOST_PLANTS), self._segmenter)

        (found,) = await _all(one, images, self._services)
        maps = dict(
            zip((PLANT, NEAR, AFAR), (values[None] for values in (found.maps.plant, found.maps.near, found.maps.afar)), strict=True)
        )
        area = found.maps.leaf.size
        plants = {
            BOXES: np.array([box for _, box in found.plants], np.int32).reshape(-1, 4),
            AREAS: np.array([plant.area / area for plant, _ in found.plants], np.float32),
            CLUMPS: np.array([plant.clump for plant, _ in found.plants], bool),
        }
        return InferenceResult(maps | plants, detections.timing(found))


async def _all(ask: Callable[[Image], Awaitable[Answer]], images: list[Image], services: Services) -> list[Answer]:
    settings = services.settings
    patience_s = settings.deadline_s if len(images) > 1 else 0  # one is answered within the deadline, as by the other routes, or 429
    found: list[Answer] = []
    for index, outcome in enumerate(await each(ask, images, at_once=settings.images_at_once, patience_s=patience_s)):
        if isinstance(outcome, ServiceError):
            raise type(outcome)(f"image {index}: {outcome.detail}", outcome.retry_after_s)
        found.append(outcome)
    return found
