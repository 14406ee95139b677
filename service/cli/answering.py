"""Photos answered by the models in this process, through the batches of the service."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from models_store import image_files
from models_store.manifest import Manifest, SegmenterManifest
from models_store.store import Opened
from service.answers import AnswerOptions, answer
from service.cli.csv_tables import Result
from service.cli.remote import Look
from service.detections import detected
from service.errors import NotReady, ServiceError, problem
from service.http.services import Services, build_services
from service.inference import engine
from service.inference.detector import DetectionOptions
from service.inference.fan_out import each
from service.inference.registry import Registry
from service.inference.segmenter import Segmenter
from service.process import memory
from service.settings import Settings

PATIENCE_S = 600.0
Photo = TypeVar("Photo", Path, str)


@contextlib.asynccontextmanager
async def running(settings: Settings, *, brief: bool = False) -> AsyncIterator[Services]:
    """The service's parts in this process, its classifier loaded, as `engine.load` has it where `brief`. Raises NotReady."""
    memory.keep_freed()

    def load(opened: Opened[Manifest], _: Callable[[], bool]) -> engine.Engine:
        # Not warmed: here nobody waits for the first answer, and most batches are of one size.
        return engine.load_as_set(opened, settings, lambda: True, brief=brief)

    def load_segmenter(opened: Opened[SegmenterManifest], _: Callable[[], bool]) -> Segmenter:
        return engine.load_segmenter(opened, settings, brief=brief)

    only_answers = settings.model_copy(update={"deadline_s": PATIENCE_S, "shadow": None, "database": None})
    services = build_services(only_answers, load, load_segmenter)
    services.start()
    try:
        await _loaded(services.registry)
        if services.seconds is not None:
            await _loaded(services.seconds)
        yield services
    finally:
        await asyncio.to_thread(services.close)


async def classifying(services: Services, look: Look) -> Callable[[bytes], Awaitable[Result]]:
    """What answers the bytes of a photo of one plant. Raises NotReady."""
    if look == "auto":
        await _loaded(services.segmenters)

    async def one(content: bytes) -> Result:
        return answer(await services.predictor.predict(content, crop=services.detector.look if look == "auto" else None))

    return one


async def detecting(services: Services, *, masks: bool, wanted: DetectionOptions | None = None) -> Callable[[bytes], Awaitable[Result]]:
    """What finds the plants on the photo in these bytes. Raises NotReady."""
    await _loaded(services.segmenters)

    async def one(content: bytes) -> Result:
        detection = await services.detector.detect(content, wanted or DetectionOptions())
        return await asyncio.to_thread(detected, detection, AnswerOptions(), masks=masks)

    return one


async def _loaded(registry: Registry[Any]) -> None:
    """Until a version is there, or it was seen that none is needed. Raises NotReady where one is and none will be."""
    while registry.current is None and not (registry.looked and registry.error is None):
        if registry.error:
            raise NotReady(registry.error)
        await asyncio.sleep(0.02)


class Answers(Generic[Photo]):
    """What became of photos, as far as they were asked about."""

    def __init__(self, photos: Sequence[Photo]) -> None:
        self.photos: Sequence[Photo] = photos
        self._outcomes: dict[int, Result | ServiceError] = {}  # by the number of the photo

    @property
    def results(self) -> list[Result]:
        """The answer to each photo that is done, or its problem, in order."""
        return [
            {"file": image_files.printable(self.photos[number])}
            | ({"problem": problem(outcome)} if isinstance(outcome, ServiceError) else outcome)
            for number, outcome in sorted(self._outcomes.items())
        ]

    async def ask(self, one: Callable[[Photo], Awaitable[Result]], step: Callable[[], object], at_once: int) -> None:
        """Have `one` answer each photo. Raises a ServiceError where all met one that is not the photos' fault."""

        async def counted(photo: Photo) -> Result:
            try:
                answered = await one(photo)
                return answered | {"date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
            finally:
                step()

        outcomes = await each(counted, self.photos, at_once=at_once, patience_s=PATIENCE_S, answers=self._outcomes)
        if isinstance(outcomes[0], ServiceError) and all(isinstance(one, ServiceError) and one.is_of_the_service for one in outcomes):
            raise outcomes[0]  # not the photos' fault
