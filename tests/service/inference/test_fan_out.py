"""Many items through a queue that may be full."""

import asyncio

import pytest

from service.errors import DeadlinePassed, QueueFull, ServiceError, UndecodableImage
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


@pytest.mark.parametrize(("late_alone", "asked_again"), [((), [1, 3, 4]), ((1,), [1, 3, 4]), ((1, 4), [1, 3, 4]), ((1, 3), [1, 3])])
def test_what_is_late_beside_others_is_asked_for_alone_until_two_are_late_too(late_alone: tuple[int, ...], asked_again: list[int]) -> None:
    running, again, done = 0, [], set()

    async def ask(item: int) -> int:
        nonlocal running
        running += 1
        await asyncio.sleep(0.001)
        alone, first = running == 1, item not in done
        running -= 1
        done.add(item)
        if first and item in (1, 3, 4):
            raise DeadlinePassed("late")
        if not first:
            again.append(item)
            assert alone
            if item in late_alone:
                raise DeadlinePassed("late, too")
        return item

    answers = asyncio.run(each(ask, range(6), at_once=3, patience_s=1))
    assert again == asked_again
    failed = [i for i, answer in enumerate(answers) if isinstance(answer, DeadlinePassed)]
    assert failed == [*late_alone, *({1, 3, 4} - set(asked_again))]
    assert [answer for answer in answers if isinstance(answer, int)] == [i for i in range(6) if i not in failed]


def test_one_alone_is_asked_for_once() -> None:
    calls = []

    async def ask(item: int) -> int:
        calls.append(item)
        raise DeadlinePassed("late")

    for items, at_once in (([7], 3), ([8, 9], 1)):
        assert all(isinstance(answer, DeadlinePassed) for answer in asyncio.run(each(ask, items, at_once=at_once, patience_s=1)))
    assert calls == [7, 8, 9]


def test_an_error_that_nobody_expected_is_that_of_its_item_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def ask(item: int) -> float:
        return 1 / item

    first, bad, last = asyncio.run(each(ask, [1, 0, 2], at_once=2, patience_s=1))
    assert (first, last) == (1, 0.5)
    assert isinstance(bad, ServiceError)
    assert bad.as_problem()["status"] == 500
    assert "ZeroDivisionError" in caplog.text


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
