"""Many items through a queue that may be full."""

import asyncio

import pytest

from service.errors import QueueFull, UndecodableImage
from service.inference.fan_out import each, patiently


def test_answers_and_errors_stand_in_order_and_few_run_at_once() -> None:
    running, most = 0, 0

    async def ask(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001 * (5 - item))  # the first ones take longest
        running -= 1
        if item == 2:
            raise UndecodableImage("broken")
        return 10 * item

    answers = asyncio.run(each(ask, range(5), at_once=3, patience_s=1))
    assert [answer for answer in answers if isinstance(answer, int)] == [0, 10, 30, 40]
    assert isinstance(answers[2], UndecodableImage)
    assert most == 3


def test_a_full_queue_is_waited_for() -> None:
    calls = 0

    async def ask(item: str) -> str:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise QueueFull("full")
        return item

    assert asyncio.run(each(ask, ["a"], at_once=1, patience_s=10)) == ["a"]
    assert calls == 3


def test_patience_ends() -> None:
    async def ask(item: str = "") -> str:
        raise QueueFull("full")

    (answer,) = asyncio.run(each(ask, ["a"], at_once=1, patience_s=0))
    assert isinstance(answer, QueueFull)
    with pytest.raises(QueueFull):
        asyncio.run(patiently(ask, 0))


def test_cancelled_it_cancels_what_it_asked_for() -> None:
    ended = []

    async def ask(item: int) -> int:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(item)
        return item

    async def cancelled() -> None:
        await asyncio.wait_for(each(ask, [1, 2], at_once=2, patience_s=1), 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())
    assert sorted(ended) == [1, 2]
