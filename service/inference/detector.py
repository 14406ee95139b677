"""A photo → its plants, each named: decoding, segmenter, crops and the batches of the classifier, put together. Knows no HTTP."""

import asyncio
import contextlib
import functools
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models_store import pixels, plants
from models_store.close_up import ALL_TILES, MOST_TILES, PHOTO_SIDE
from models_store.photo_maps import Maps
from models_store.pixels import Crop, FittedImage
from models_store.plants import Map, Plant
from models_store.rollup import Statement
from service.errors import ModelFailed, NotReady, QueueFull, ServiceError
from service.inference import plant_squares
from service.inference.batcher import STREAM_ENDED, Batcher, BatchReport, QueueSlot
from service.inference.decoder import Decoder, Photo
from service.inference.fan_out import each, patiently
from service.inference.plant_squares import Box
from service.inference.predictor import Models, Prediction, Predictor, WantedCrop, in_time
from service.inference.registry import Model, Registry
from service.inference.segmenter import Looking, Segmenter

PHOTOS_AT_ONCE = 3  # held in memory
FINE_AT_ONCE = 1  # of these, that are looked at finely: two would take each other's time
_LOOKING = 0.4  # of the time that is left: what the segmenter may take; the rest is for names
MAX_PLANTS, MOST_PLANTS = 100, 500  # named of one photo: unless said otherwise, and at most
_LEAST_SIDE = 0.01  # of the photo's width: a plant's longer side, unless said otherwise
_PIECE = 0.05  # of the largest part's area: less beside it is no leaf of the same plant
CLUMP, UNKNOWN = "clump", "unknown"
CountedAs = tuple[str, bool]  # a species and True, or one of the two words above and False: a species may be called so
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class DetectionOptions:
    """What a caller wants of a photo."""

    min_side: float | None = None  # pixels of the upright photo, of a plant's longer side; None: 1% of the width
    min_score: float = 0.0  # how sure the segmenter must be that it is a plant
    max_plants: int = MAX_PLANTS
    whole: bool = False  # whether the photo is to be answered as one, too, as the predictor does
    crop: WantedCrop = None  # where it is looked at for that
    fine: bool = False  # whether thin leaves of a large photo are looked at from nearer at many places, not at a few

    @property
    def photos_at_once(self) -> int:
        """How many to ask for at one time, of many."""
        return FINE_AT_ONCE if self.fine else PHOTOS_AT_ONCE


@dataclass(frozen=True)
class FoundPlant:
    """A plant, or a clump of several, with its name."""

    plant: Plant  # on the map of leaves
    box: Box
    share: float  # of the photo's area
    prediction: Prediction

    def relied_upon(self, least: float = 0.0) -> Statement | None:
        """The narrowest statement that can be relied upon, with a probability of at least `least`; None for a clump: several plants."""
        return None if self.plant.clump else self.prediction.relied_upon(least)


@dataclass(frozen=True)
class Detection:
    """The plants of one photo, largest first."""

    photo: Photo
    leaf_map: Map  # of which their masks are, float32 [h, w]
    cover: float  # share of the photo that is plant, of whatever size
    plants: list[FoundPlant]
    truncated: bool  # there are more
    segmenter: Segmenter
    segmentation_s: float
    whole: Prediction | None  # of the photo as one, where it was asked for
    model: Model  # in service, which was asked first of each plant


@dataclass(frozen=True)
class Segmentation:
    """What the segmenter says of one photo, and the plants that it shows, largest first."""

    photo: Photo
    maps: Maps
    plants: list[tuple[Plant, Box]]
    segmentation_s: float


class Versions(NamedTuple):
    """What finds and names the plants of one request, whatever comes into service meanwhile."""

    segmenter: Segmenter
    models: Models


@dataclass(frozen=True)
class _Segmented:
    photo: Photo
    scaled: Pixels  # uint8 [3, h, w], the photo at the size of its map
    maps: Maps
    segmenter: Segmenter
    segmentation_s: float

    @property
    def map_size(self) -> tuple[int, int]:
        """Width and height."""
        return self.scaled.shape[2], self.scaled.shape[1]


class Detector:
    """Finds and names the plants of photos with whichever models the registries hold at the time."""

    def __init__(
        self,
        registry: Registry[Segmenter],
        predictor: Predictor,
        decoder: Decoder,
        *,
        max_queue: int,
        images_at_once: int,
        deadline_s: float,
        on_decoded: Callable[[float], None] | None = None,
        on_segmented: Callable[[BatchReport], None] | None = None,
        on_plants: Callable[[Counter[CountedAs]], None] | None = None,
    ) -> None:
        self._registry, self._predictor, self._decoder = registry, predictor, decoder
        self._images_at_once, self._deadline_s, self._report = images_at_once, deadline_s, on_plants
        self._on_decoded, self._on_segmented = on_decoded, on_segmented
        self._batcher = Batcher[Segmenter, Looking, Maps | None](_turns, batch_size=1, max_queue=max_queue, network="segmenter")
        self._held = asyncio.Semaphore(PHOTOS_AT_ONCE)
        self._fine = asyncio.Semaphore(FINE_AT_ONCE)
        self._photos = 0  # that are worked on

    def start(self) -> None:
        """Start the thread of the segmenter."""
        self._batcher.start()

    def close(self) -> None:
        """Turn away what waits, and end the thread."""
        self._batcher.close()

    @property
    def alive(self) -> bool:
        """Whether the thread of the segmenter runs."""
        return self._batcher.alive

    @property
    def failure(self) -> str | None:
        """Why the plants of no photo are found, whatever segmenter there is; None while they are."""
        return None if self.alive else STREAM_ENDED

    @property
    def busy(self) -> bool:
        """Whether a photo is worked on."""
        return bool(self._photos)

    def check_room(self) -> None:
        """Whether a photo would be admitted now, before its bytes are read. Raises QueueFull or NotReady."""
        self.segmenter()
        self._batcher.check_room()

    def segmenter(self) -> Segmenter:
        """The segmenter in service now. Raises NotReady."""
        segmenter = self._registry.current
        if segmenter is None:
            error = self._registry.error
            lasts = error is not None and not any(one.transient for one in self._registry.refused)  # until somebody does what it says
            raise NotReady(error or "the segmenter is still being loaded", retry_after_s=None if lasts else 1)
        return segmenter

    def versions(self) -> Versions:
        """Those in service now. Raises NotReady."""
        return Versions(self.segmenter(), self._predictor.models())

    async def detect(self, image: bytes, asked: DetectionOptions = DetectionOptions(), by: Versions | None = None) -> Detection:
        """The plants on the photo in the bytes of an image file, by these versions or those in service.

        Raises QueueFull at once or where no turn comes in half of the deadline, NotReady, UnsupportedImage, UndecodableImage or
        MalformedRequest (the crop) after decoding, DeadlinePassed, or ModelFailed. Cancelled, it gives its place back, and those of
        its plants.
        """
        segmenter, models = by or self.versions()
        kept: list[tuple[Plant, Box]] = []

        def advice() -> str:  # fewer do not help where few are to be named
            fewer = f"ask for fewer than these {len(kept)} plants by max_plants, or " if len(kept) > self._images_at_once else ""
            return f"{fewer}try again later"

        async with in_time(self._deadline_s, advice):
            async with self._segmented(image, asked.fine, segmenter) as seen:
                kept, truncated = await self._classified(seen, asked)
                cover, crops = await self._decoder.run(_cover_and_crops, seen, kept, models.first.size)
                crop = await self._decoder.run(_around_largest, seen) if asked.crop == "auto" else asked.crop

                async def name(crop: Pixels) -> Prediction:
                    return await self._predictor.predict(crop, models, of_part=True)

                outcomes = await each(name, crops, at_once=self._images_at_once, patience_s=self._deadline_s)
            answer = functools.partial(self._predictor.predict, image, models, crop)
            whole = await patiently(answer, self._deadline_s) if asked.whole else None
        area = seen.maps.leaf.size
        named = []
        for (plant, box), outcome in zip(kept, outcomes, strict=True):
            if isinstance(outcome, ServiceError):
                raise outcome
            named.append(FoundPlant(plant, box, plant.area / area, outcome))
        if self._report is not None:
            self._report(Counter(map(_counted_as, named)))
        return Detection(seen.photo, seen.maps.leaf, cover, named, truncated, seen.segmenter, seen.segmentation_s, whole, models.first)

    async def photo(self, image: bytes) -> Photo:
        """A photo as it is looked at, without looking for plants. Raises what `detect` raises of the photo, QueueFull or DeadlinePassed."""
        async with in_time(self._deadline_s), self._in_memory(fine=False):
            return await self._decode(image)

    async def look(self, image: bytes) -> Crop | None:
        """The square around the largest plant on a photo; None where the central square shows it as well, or no plant is found.

        Raises what `detect` raises of the photo and the segmenter.
        """
        async with self._segmented(image) as seen:
            return await self._decoder.run(_around_largest, seen)

    async def segment(
        self, image: bytes | Pixels, asked: DetectionOptions = DetectionOptions(), segmenter: Segmenter | None = None
    ) -> Segmentation:
        """The maps of a photo, in the bytes of an image file or as pixels uint8 [3, height, width], and its plants, not named.

        By `segmenter`; None: by the one in service now. Raises what `detect` raises of the photo and the segmenter.
        """
        async with self._segmented(image, asked.fine, segmenter) as seen:
            found, _ = await self._classified(seen, asked)
            return Segmentation(seen.photo, seen.maps, found, seen.segmentation_s)

    async def _classified(self, seen: _Segmented, asked: DetectionOptions) -> tuple[list[tuple[Plant, Box]], bool]:
        """The plants that were asked for, and whether there are more. Raises ModelFailed."""
        started = time.monotonic()
        try:
            return await self._decoder.run(_asked_for, seen, asked)
        except ModelFailed as error:
            self._segmenter_ran(time.monotonic() - started, error)
            raise

    @contextlib.asynccontextmanager
    async def _segmented(self, image: bytes | Pixels, fine: bool = False, segmenter: Segmenter | None = None) -> AsyncIterator[_Segmented]:
        """A photo and its maps, held within the deadline for as long as the block lasts."""
        segmenter, ends = segmenter or self.segmenter(), time.monotonic() + self._deadline_s
        async with in_time(self._deadline_s):
            with self._batcher.admit() as place, self._counted():
                async with self._in_memory(fine) as alone:
                    photo = await (self._decode(image) if isinstance(image, bytes) else self._decoder.run(_decoded, image))
                    height, width = photo.fitted.pixels.shape[1:]
                    size = plants.map_size(width, height, segmenter.manifest.input)
                    scaled = await self._decoder.run(pixels.resized, photo.fitted.pixels, size)
                    now = time.monotonic()
                    until, most = now + _LOOKING * (ends - now), ALL_TILES if fine else MOST_TILES
                    looking = Looking(segmenter, scaled, photo.fitted.pixels, most, until, crowded=lambda: self._photos > 1)
                    maps = await self._looked(segmenter, looking, place)
                    await alone.aclose()  # another request's may be looked at while plants are named here
                    yield _Segmented(photo, scaled, maps, segmenter, looking.spent_s)

    async def _decode(self, image: bytes) -> Photo:
        photo = await self._decoder.photo(image, PHOTO_SIDE)
        if self._on_decoded is not None:
            self._on_decoded(photo.decode_s)
        return photo

    async def _looked(self, segmenter: Segmenter, looking: Looking, place: QueueSlot[Segmenter, Looking, Maps | None]) -> Maps:
        """The maps of a photo, by as many turns at the segmenter as it needs. Raises ModelFailed or NotReady."""
        errors: list[Exception] = []
        try:
            served = await place.submit(segmenter, looking)
            while served.answer is None:
                with self._batcher.admit(again=True) as next_place:
                    served = await next_place.submit(segmenter, looking)
            return served.answer
        except NotReady:
            raise
        except Exception as error:
            errors.append(error)
            raise
        finally:
            if looking.spent_s:
                self._segmenter_ran(looking.spent_s, *errors)

    def _segmenter_ran(self, took_s: float, *errors: Exception) -> None:
        if self._on_segmented is not None:
            self._on_segmented(BatchReport(1, took_s, errors))

    @contextlib.asynccontextmanager
    async def _in_memory(self, fine: bool) -> AsyncIterator[contextlib.AsyncExitStack]:
        """Among the photos held in memory; where `fine`, also as the only such one, until what it gives is closed.

        Raises QueueFull after half of the deadline. What is begun later is mostly late, and its work in vain. So a crowd would cost the
        service most of its answers.
        """
        async with contextlib.AsyncExitStack() as alone, contextlib.AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._deadline_s / 2):
                    if fine:
                        await alone.enter_async_context(self._fine)
                    await held.enter_async_context(self._held)
            except TimeoutError:
                wait_s = _LOOKING * self._deadline_s if fine else 1
                raise QueueFull("too many photos whose plants are to be found at once; try again later", retry_after_s=wait_s) from None
            yield alone

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        self._photos += 1
        try:
            yield
        finally:
            self._photos -= 1


def _counted_as(found: FoundPlant) -> CountedAs:
    if found.plant.clump:
        return CLUMP, False
    said = found.relied_upon()
    return (said.name, True) if said is not None and said.rank == "species" else (UNKNOWN, False)


def _turns(_: Segmenter, photos: list[Looking], __: bool) -> list[Maps | None]:
    return [looking.turn() for looking in photos]


def _decoded(photo: Pixels) -> Photo:
    return Photo(FittedImage(pixels.fit(photo, PHOTO_SIDE), photo.shape[2], photo.shape[1], None), 0.0)


def _asked_for(seen: _Segmented, asked: DetectionOptions) -> tuple[list[tuple[Plant, Box]], bool]:
    """The plants of a photo, largest first, those too small or not sure enough left out; and whether there are more than were asked for.

    Which ones are kept and which are clumps is told by their parts as the segmenter sees them. Then their masks end where leaves do, and
    they are sorted by what is left.
    """
    least_side = _LEAST_SIDE * seen.photo.fitted.width if asked.min_side is None else asked.min_side
    found = [(plant, box) for plant, box in _boxed(seen, least_side) if plant.score >= asked.min_score]
    kept = found[: asked.max_plants]
    classified = seen.segmenter.classify(seen.scaled, [plant for plant, _ in kept])
    thresholds = seen.segmenter.manifest.thresholds
    ended = [(seen.maps.trimmed(plant, thresholds), box) for plant, (_, box) in zip(classified, kept, strict=True)]
    return sorted(ended, key=lambda one: -one[0].area), len(found) > len(kept)


def _cover_and_crops(seen: _Segmented, found: list[tuple[Plant, Box]], size: int) -> tuple[float, list[Pixels]]:
    """The share of the photo that is plant, and each plant as the classifier of species is to see it: uint8 [3, size, size]."""
    fitted, leaf = seen.photo.fitted, seen.maps.leaf
    cover = np.count_nonzero(leaf >= seen.segmenter.manifest.thresholds.plant) / leaf.size
    return float(cover), [plant_squares.cropped(fitted.pixels, box, fitted.pixels.shape[2] / fitted.width, size) for _, box in found]


def _boxed(seen: _Segmented, least_side: float) -> list[tuple[Plant, Box]]:
    """The plants of a photo whose longer side is so many of its pixels, largest first."""
    fitted, maps = seen.photo.fitted, seen.maps
    scale = (fitted.width / maps.plant.shape[1], fitted.height / maps.plant.shape[0])  # pixels of the photo for each of the map
    rounding = 2 / max(scale)  # pixels of the map: by so much a box in whole pixels of the photo may be longer than its plant
    found = maps.plants(seen.segmenter.manifest.thresholds, least_side / max(scale) - rounding)
    boxed = [(plant, _box(plant, scale, fitted)) for plant in found]
    return [(plant, box) for plant, box in boxed if max(box[2:]) >= least_side]


def _around_largest(seen: _Segmented) -> Crop | None:
    fitted = seen.photo.fitted
    found = _boxed(seen, max(_LEAST_SIDE * fitted.width, pixels.MIN_SIDE))
    pixel = max(fitted.width / seen.map_size[0], fitted.height / seen.map_size[1])  # of the map, in those of the photo
    boxes = [box for plant, box in found if plant.area >= _PIECE * found[0][0].area]
    return plant_squares.around(boxes, (fitted.width, fitted.height), pixel)


def _box(plant: Plant, scale: tuple[float, float], fitted: FittedImage) -> Box:
    left, top = math.floor(plant.left * scale[0]), math.floor(plant.top * scale[1])
    right = min(fitted.width, math.ceil((plant.left + plant.width) * scale[0]))
    bottom = min(fitted.height, math.ceil((plant.top + plant.height) * scale[1]))
    return left, top, right - left, bottom - top
