"""One model and what it makes of blocks of photos: the same in this process and in an actor of a cluster."""

import asyncio
import contextlib
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from models_store.manifest import MODEL
from service.cli import answering, detection_output
from service.cli.archive import reading, tables
from service.cli.archive.engines import LANES, Identity, Task
from service.cli.archive.results import Part
from service.cli.csv_tables import Result
from service.process import logs
from service.settings import Settings


class Worker:
    """Holds the models from `open` to `close`."""

    def __init__(self, settings: Settings, task: Task) -> None:
        self._settings, self._task = settings, task
        at_once = settings.images_at_once if task.plants is None else task.plants.photos_at_once
        self._at_once = max(1, at_once // LANES)  # of one block
        self._reading = ThreadPoolExecutor(LANES * self._at_once, "read")
        self._stack = contextlib.AsyncExitStack()

    async def open(self) -> Identity:
        """Load the models, and tell which they are: those of another worker are to be the same. Raises NotReady."""
        logs.quiet_libraries()
        services = await self._stack.enter_async_context(answering.running(self._settings))
        if self._task.detect:
            self._ask = await answering.detecting(services, masks=False, wanted=self._task.plants)
        else:
            self._ask = await answering.classifying(services, self._task.look)
        used: dict[str, Any] = {
            "model": services.registry.current,
            "segmenter": services.segmenters.current if self._searches else None,
        }
        if services.seconds is not None and services.seconds.current is not None:
            used["second_model"] = services.seconds.current
        return {name: None if one is None else _named(one.manifest) for name, one in used.items()}

    async def part(self, photos: Sequence[str], step: Callable[[], object] = lambda: None) -> Part:
        """The rows of a block, a photo after the other. Raises a ServiceError where no photo is answered and none is at fault."""
        answers = answering.Answers(photos)
        await answers.ask(self._one, step, self._at_once)
        return await asyncio.to_thread(self._encoded, answers.results)

    async def close(self) -> None:
        """End the threads."""
        await self._stack.aclose()
        self._reading.shutdown(wait=False, cancel_futures=True)

    @property
    def _searches(self) -> bool:
        return self._task.detect or self._task.look == "auto"

    async def _one(self, photo: str) -> Result:
        settings = self._settings
        read = functools.partial(reading.content, photo, settings.max_body_bytes, self._task.base, settings.upload_timeout_s)
        return await self._ask(await asyncio.get_running_loop().run_in_executor(self._reading, read))

    def _encoded(self, results: list[Result]) -> Part:
        detect = self._task.detect
        rows = [row for result in results for row in tables.rows(result, detect=detect)]
        content = tables.encode(rows, tables.columns(detect=detect), self._task.kind)
        return Part(content, sum("problem" in result for result in results), len(detection_output.truncated(results)))


def _named(manifest: Any) -> dict[str, str]:
    return {"name": manifest.name, "version": str(manifest.version), "sha256": manifest.files[MODEL]}
