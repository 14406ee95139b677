"""Bytes → probabilities: decoding, batching and the model in service, put together. Knows no HTTP."""

import asyncio
import contextlib
import dataclasses
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models_store import rollup
from models_store.manifest import Species
from models_store.pixels import Crop
from service.errors import DeadlinePassed, MalformedRequest, ModelFailed, NotExplainable, NotReady
from service.inference import second_model
from service.inference.batcher import STREAM_ENDED, BatchedAnswer, Batcher, BatchReport
from service.inference.decoder import DecodedSquare, Decoder
from service.inference.fan_out import patiently
from service.inference.registry import Model, Registry

log = logging.getLogger(__name__)
Row = NDArray[np.float32]
Pixels = NDArray[np.uint8]
WantedCrop = Crop | Literal["auto"] | None  # what a caller asks to be looked at; None: the central square, auto: the largest plant
Where = Crop | Callable[[bytes], Awaitable[Crop | None]] | None  # what is looked at, or what tells it; None: the central square


@dataclass(frozen=True)
class Prediction:
    """Probabilities of one image, the model they are of, and what they took."""

    model: Model
    probabilities: Row  # [species], in the manifest's order
    distance: float | None  # from the images that the model was trained on; None where the model does not measure it
    decode_s: float
    queue_s: float
    inference_s: float
    batch_size: int
    crop: Crop  # the square of the photo that was looked at
    central: bool = True  # that is the central one
    by_second: bool = False  # the second model answered

    @property
    def species(self) -> Species:
        """The most probable species."""
        return self.model.manifest.species[int(self.probabilities.argmax())]

    @property
    def familiar(self) -> bool | None:
        """Whether the image is like those that the model was trained on; None if the model cannot tell."""
        familiarity = self.model.manifest.calibration.familiarity
        return None if familiarity is None or self.distance is None else self.distance <= familiarity.limit

    @property
    def ood_ratio(self) -> float | None:
        """The distance as a share of the limit of familiar images; None if the model cannot tell."""
        familiarity = self.model.manifest.calibration.familiarity
        return None if familiarity is None or self.distance is None else self.distance / familiarity.limit

    @property
    def beyond_it(self) -> bool:
        """Whether a second model is asked, where there is one."""
        return second_model.is_asked(self.ood_ratio, self.relied_upon())

    @property
    def _too_far_for_a_part(self) -> bool:
        limit = second_model.limit_for_parts(self.model.manifest.calibration.familiarity, second=self.by_second)
        return limit is not None and (self.distance is None or self.distance > limit)

    @property
    def confident(self) -> bool:
        """Whether the species can be relied upon."""
        said = self.relied_upon()
        return said is not None and said.rank == "species"

    def relied_upon(self, least: float = 0.0) -> rollup.Statement | None:
        """The narrowest statement that can be relied upon, with a probability of at least `least`.

        None for an unfamiliar image, and for a part of a photo that lies too far for parts.
        """
        manifest = self.model.manifest
        if self.familiar is False or (not self.central and self._too_far_for_a_part):
            return None
        return rollup.narrowest(manifest.species, manifest.calibration, self.probabilities.tolist(), least=least)


@dataclass(frozen=True)
class Explanation:
    """Which parts of one image raised the probability of a species."""

    prediction: Prediction
    species: Species
    saliency: Row  # [h, w], 0–1
    picture: Pixels | None  # uint8 [3, side, side], of the same square; None where no side was named


@dataclass(frozen=True)
class _BatchKind:
    """What a batch is for; images of the same work run together."""

    model: Model
    saliency: bool = False  # instead of probabilities


@dataclass(frozen=True)
class _Image:
    pixels: Pixels
    species: int = 0  # of which the saliency is asked for


@dataclass(frozen=True)
class _Output:
    """Of one image."""

    values: Row  # probabilities [species], or saliency [h, w]
    distance: float | None = None


class Models(NamedTuple):
    """The versions that answer one request, whatever comes into service meanwhile."""

    first: Model
    second: Model | None  # answers what is beyond the first one; None: nothing else does


class Predictor:
    """Answers predictions with whichever model the registry holds at the time."""

    def __init__(
        self,
        registry: Registry[Model],
        decoder: Decoder,
        *,
        streams: int,
        batch_size: int,
        max_queue: int,
        batch_wait_s: float,
        deadline_s: float,
        on_batch: Callable[[BatchReport], None] | None = None,
        on_prediction: Callable[[Prediction, Prediction, bool], None] | None = None,  # the answer, what the first model said, if of a part
        shadow: Callable[[Prediction, Pixels, bytes | Pixels], None] | None = None,  # is shown what the model in service answered
        second: Registry[Model] | None = None,  # of the model that answers what is beyond the first one
    ) -> None:
        self._registry, self._decoder, self._second = registry, decoder, second
        self._deadline_s = deadline_s
        self._report_batch, self._report_prediction, self._shadow = on_batch, on_prediction, shadow
        self._batcher = Batcher[_BatchKind, _Image, _Output](
            _infer, streams=streams, batch_size=batch_size, max_queue=max_queue, wait_s=batch_wait_s, on_batch=self._on_batch
        )
        self._failing = False  # the last batch had failures only

    def start(self) -> None:
        """Start the inference threads."""
        self._batcher.start()

    def close(self) -> None:
        """Turn away what waits, and end the threads."""
        self._batcher.close()
        self._decoder.close()

    @property
    def queued(self) -> int:
        """Images admitted and not yet in a forward pass."""
        return len(self._batcher)

    @property
    def busy(self) -> bool:
        """Whether an image is admitted, waits or runs."""
        return self._batcher.busy

    @property
    def alive(self) -> bool:
        """Whether all inference threads run. One that has died left work half done; no other can know which, and take it over."""
        return self._batcher.alive

    @property
    def failure(self) -> str | None:
        """Why images are not answered; None while they are."""
        if not self.alive:
            return STREAM_ENDED
        return "the model failed for every image of its last batch; the log says why" if self._failing else None

    def check_room(self) -> None:
        """Whether an image would be admitted now, before its bytes are read. Raises QueueFull or NotReady."""
        self.model()
        self._batcher.check_room()

    def model(self) -> Model:
        """The model in service now. Raises NotReady."""
        model = self._registry.current
        if model is None:
            raise NotReady(self._registry.error or "the model is still being loaded", retry_after_s=1)
        return model

    def models(self) -> Models:
        """The model in service now, and the second one beside it. Raises NotReady."""
        model = self.model()
        return Models(model, self.second_beside(model))

    def second_beside(self, model: Model) -> Model | None:
        """The model that answers what is beyond `model`; None where none is loaded, or where it knows other species."""
        second = None if self._second is None else self._second.current
        return second if second is not None and second_model.may_answer(second, model) else None

    async def predict(
        self, image: bytes | Pixels, models: Models | None = None, crop: Where = None, *, of_part: bool = False
    ) -> Prediction:
        """Probabilities for the bytes of an image file, or for pixels uint8 [3, size, size], by `models` or those in service.

        What is beyond the first one the second one answers, if there is one.
        Of an image file the central square counts, or that of a crop; pixels are one, unless they are `of_part` of a photo.

        Raises QueueFull and NotReady at once, UnsupportedImage, UndecodableImage or MalformedRequest (the crop) after decoding,
        DeadlinePassed, or ModelFailed. Cancelled, it gives its place back.
        """
        async with in_time(self._deadline_s):
            prediction, _ = await self._answered(image, models or self.models(), crop, of_part=of_part)
        return prediction

    async def explain(self, image: bytes, species: str | None = None, crop: Where = None, side: int | None = None) -> Explanation:
        """What spoke for a species, by its name, or for the most probable one; with a picture of so many pixels a side.

        Raises what `predict` raises, MalformedRequest for a name the model does not know, or NotExplainable.
        """
        models = self.models()
        names = [known.name for known in models.first.manifest.species]
        if species is not None and species not in names:
            raise MalformedRequest(f"{species[:100]!r} is not a species of this model; it knows: {', '.join(names)}")
        _check_explainable(models.first)
        async with in_time(self._deadline_s):
            prediction, pixels = await self._answered(image, models, crop)
            _check_explainable(prediction.model)  # the second one answered
            index = names.index(species) if species is not None else int(prediction.probabilities.argmax())
            kind, shown = _BatchKind(prediction.model, saliency=True), _Image(pixels, index)
            saliency = await patiently(lambda: self._once_more(kind, shown), self._deadline_s)
            where = prediction.crop if callable(crop) else crop
            picture = None if side is None else (await self._decoder.decode(image, side, where)).pixels
        return Explanation(prediction, prediction.model.manifest.species[index], saliency.answer.values, picture)

    async def _once_more(self, kind: _BatchKind, image: _Image) -> BatchedAnswer[_Output]:
        with self._batcher.admit() as place:
            return await place.submit(kind, image)

    async def _answered(self, image: bytes | Pixels, models: Models, crop: Where, *, of_part: bool = False) -> tuple[Prediction, Pixels]:
        """The answer that is given, and the pixels uint8 [3, size, size] that it is of."""
        model, second = models
        where = await self._place(image, crop) if isinstance(image, bytes) else None
        with self._batcher.admit(again=callable(crop)) as place:
            if isinstance(image, bytes):
                decoded = await self._decoder.decode(image, model.size, where)
            else:
                decoded = DecodedSquare(image, 0.0, Crop(0, 0, model.size, model.size), not of_part)
            first = prediction = _prediction(model, decoded, await place.submit(_BatchKind(model), _Image(decoded.pixels)))
        if self._shadow is not None:
            self._shadow(first, decoded.pixels, image)
        if second is not None and prediction.beyond_it:
            kind, shown = _BatchKind(second), _Image(decoded.pixels)
            other = _prediction(second, decoded, await patiently(lambda: self._once_more(kind, shown), self._deadline_s))
            queue_s, inference_s = prediction.queue_s + other.queue_s, prediction.inference_s + other.inference_s
            prediction = dataclasses.replace(other, queue_s=queue_s, inference_s=inference_s, by_second=True)
        if self._report_prediction is not None:
            self._report_prediction(prediction, first, of_part)
        return prediction, decoded.pixels

    async def _place(self, image: bytes, crop: Where) -> Crop | None:
        """Where to look. Nothing is held meanwhile: who searches waits for memory, and those who hold that may wait for a place here."""
        if crop is None or isinstance(crop, Crop):
            return crop
        self.check_room()
        return await crop(image)

    def _on_batch(self, ran: BatchReport) -> None:
        if ran.failures:
            log.error("the model failed for %d of %d images", len(ran.failures), ran.size, exc_info=ran.failures[0])
        self._failing = len(ran.failures) == ran.size
        if self._report_batch is not None:
            self._report_batch(ran)


@contextlib.asynccontextmanager
async def in_time(deadline_s: float, advice: Callable[[], str] = lambda: "try again later") -> AsyncIterator[None]:
    """The block ends in time, or raises DeadlinePassed, which says what to do."""
    try:
        async with asyncio.timeout(deadline_s):
            yield
    except TimeoutError:
        raise DeadlinePassed(f"no answer within {deadline_s:g} s; {advice()}", retry_after_s=deadline_s) from None


def _prediction(model: Model, decoded: DecodedSquare, served: BatchedAnswer[_Output]) -> Prediction:
    output, took = served.answer, (decoded.decode_s, served.queue_s, served.inference_s)
    return Prediction(model, output.values, output.distance, *took, served.batch_size, decoded.crop, decoded.central)


def _check_explainable(model: Model) -> None:
    if not model.explainable:
        raise NotExplainable("the model in service was exported without what a heat map needs; export it again")


def _infer(work: _BatchKind, images: list[_Image], alone: bool) -> list[_Output | Exception]:
    pixels = np.stack([image.pixels for image in images])
    if work.saliency:
        outputs = [_Output(values) for values in work.model.saliency(pixels, [image.species for image in images], alone)]
    else:
        probabilities, distances = work.model.predict_batch(pixels, alone)
        each = [None] * len(images) if distances is None else distances.tolist()
        outputs = [_Output(*output) for output in zip(probabilities, each, strict=True)]
    return [output if _is_finite(output) else ModelFailed("the model's answer is not a number") for output in outputs]


def _is_finite(output: _Output) -> bool:
    return bool(np.isfinite(output.values).all()) and (output.distance is None or math.isfinite(output.distance))
