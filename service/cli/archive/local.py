"""The engine of one process: all cores of this machine, one model."""

import asyncio

from service.cli.archive.engines import LANES, Task, Work
from service.cli.archive.photos import Photos
from service.cli.archive.worker import Worker
from service.settings import Settings


def run(settings: Settings, task: Task, photos: Photos, work: Work) -> None:
    """Have the blocks answered that `work` wants. Raises a ServiceError of the models, and what `work` raises."""
    asyncio.run(_run(settings, task, photos, work))


async def _run(settings: Settings, task: Task, photos: Photos, work: Work) -> None:
    worker, lanes = Worker(settings, task), list[asyncio.Task[None]]()
    try:
        waiting = iter(work.begin(await worker.open()))

        async def lane() -> None:
            for number in waiting:
                part = await worker.part(photos.block(number), lambda: work.step(1))
                await asyncio.to_thread(work.write, number, part)

        lanes += [asyncio.create_task(lane()) for _ in range(LANES)]
        await asyncio.gather(*lanes)
    finally:
        for one in lanes:
            one.cancel()
        await worker.close()
