"""Calls of corrections beside the event loop: bounded in number and in time."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from corrections.errors import StorageUnavailable
from corrections.store import CorrectionStore
from service.corrections import CorrectionService
from service.errors import CorrectionsUnavailable, DeadlinePassed, QueueFull
from service.inference.decoder import Decoder
from service.settings import Settings


def run(tmp_path: Path, use: Callable[[CorrectionService], object], **values: object) -> None:
    """`use`, a coroutine function, with corrections whose database is open."""

    async def main() -> None:
        settings = Settings.model_validate(
            {"database": f"sqlite:///{tmp_path}/corrections.db", "photos": str(tmp_path / "photos")} | values
        )
        decoder = Decoder(1, settings.max_pixels)
        corrections = CorrectionService(settings, decoder)
        with pytest.raises(CorrectionsUnavailable, match="being opened"):
            await corrections.call(lambda store: store.count())
        corrections.start()
        try:
            for _ in range(1000):
                try:
                    assert await corrections.call(lambda store: store.count()) == 0
                    break
                except CorrectionsUnavailable:
                    await asyncio.sleep(0.02)
            await use(corrections)  # type: ignore[misc]
        finally:
            corrections.close()
            decoder.close()

    asyncio.run(main())


def test_calls_that_hang_end_in_time_and_too_many_are_turned_away(tmp_path: Path) -> None:
    hanging = threading.Event()

    async def use(corrections: CorrectionService) -> None:
        started = time.monotonic()
        calls = [corrections.call(lambda _: hanging.wait(60)) for _ in range(40)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - started < 20
        assert [type(result) for result in results] == [DeadlinePassed] * 32 + [QueueFull] * 8
        with pytest.raises(QueueFull):  # they still hold their threads
            await corrections.call(lambda store: store.count())
        hanging.set()
        for _ in range(500):
            try:
                assert await corrections.call(lambda store: store.count()) == 0
                return
            except QueueFull:
                await asyncio.sleep(0.02)
        pytest.fail("the threads never came back")

    run(tmp_path, use, deadline_s=0.3)


def test_what_goes_wrong_once_does_not_end_the_minding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def minding() -> int:
        return sum(thread.name == "mind-corrections" for thread in threading.enumerate())

    before = minding()
    monkeypatch.setattr(CorrectionStore, "sweep", lambda self: 1 // 0)
    caplog.set_level(logging.WARNING)

    async def use(_: CorrectionService) -> None:
        until = time.monotonic() + 60
        while "keeping corrections failed: ZeroDivisionError" not in caplog.text:
            assert time.monotonic() < until
            await asyncio.sleep(0.01)
        assert minding() == before + 1

    run(tmp_path, use)


def test_the_event_loop_goes_on_meanwhile(tmp_path: Path) -> None:
    async def use(corrections: CorrectionService) -> None:
        call = asyncio.ensure_future(corrections.call(lambda _: time.sleep(0.5)))
        turns = 0
        while not call.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert turns > 5

    run(tmp_path, use)


def test_the_log_says_where_the_database_is_and_the_answer_does_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: CorrectionStore) -> None:
        raise StorageUnavailable("the database does not answer", "db.internal:5432 refused the role adam")

    async def use(corrections: CorrectionService) -> None:
        with pytest.raises(CorrectionsUnavailable, match=r"^the database does not answer; the log of the service says why$"):
            await corrections.call(fail)
        assert "the database does not answer: db.internal:5432 refused the role adam" in caplog.text

    run(tmp_path, use)
