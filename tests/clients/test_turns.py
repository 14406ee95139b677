"""Answers that come too late: fewer photos at one time, by both clients."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from seedlings_client import AsyncClient, Client, NoAnswer, Problem
from seedlings_client.turns import LATE, Turns

from tests.clients.test_seedlings_client import ANSWER


def said(in_time: bool) -> httpx.Response:
    return httpx.Response(200, content=json.dumps(ANSWER)) if in_time else httpx.Response(504, headers={"Retry-After": "30"})


class Slow:
    """A service that answers two photos at one time; three are all late."""

    def __init__(self) -> None:
        self._lock, self._there = threading.Lock(), 0
        self._first, self._first_tasks = threading.Barrier(3, timeout=30), asyncio.Barrier(3)
        self.together: list[int] = []  # of each photo: how many there were

    def begin(self) -> None:
        with self._lock:
            self._there += 1

    def seen(self) -> bool:
        """Whether a photo is in time."""
        with self._lock:
            self.together.append(self._there)
            return self._there <= 2

    def end(self, in_time: bool) -> httpx.Response:
        with self._lock:
            self._there -= 1
        return said(in_time)

    def answer(self, _: httpx.Request) -> httpx.Response:
        self.begin()
        wait = self._first.wait if len(self.together) < 3 else lambda: time.sleep(0.005)
        wait()  # for the first three to be there
        in_time = self.seen()
        wait()
        return self.end(in_time)

    async def answer_task(self, _: httpx.Request) -> httpx.Response:
        self.begin()
        wait = self._first_tasks.wait if len(self.together) < 3 else lambda: asyncio.sleep(0.005)
        await wait()
        in_time = self.seen()
        await wait()
        return self.end(in_time)


def test_photos_that_are_late_together_are_asked_about_one_by_one_and_then_by_more() -> None:
    slow = Slow()

    async def main() -> list[str]:
        async with AsyncClient("http://slow", at_once=3, http=httpx.AsyncClient(transport=httpx.MockTransport(slow.answer_task))) as client:
            return [answer.species for answer in await asyncio.gather(*(client.predict(b"image") for _ in range(60)))]

    assert asyncio.run(main()) == ["Maize"] * 60
    assert slow.together[:11] == [3] * 3 + [1] * 8  # so many in time, and it is one more
    assert 3 not in slow.together[11:19]  # and still one more, which is too much again
    assert slow.together.count(3) <= 9
    assert slow.together.count(2) >= 8


def test_threads_take_turns_too() -> None:
    slow = Slow()
    http = httpx.Client(transport=httpx.MockTransport(slow.answer))
    with Client("http://slow", http=http) as client, ThreadPoolExecutor(3) as pool:  # any number at first
        answers = list(pool.map(client.predict, [b"image"] * 16))
    assert [answer.species for answer in answers] == ["Maize"] * 16
    assert slow.together[:11] == [3] * 3 + [1] * 8


@pytest.mark.parametrize(("options", "tries"), [({}, 2), ({"at_once": 1}, 1), ({"tries": 1}, 1), ({"again": (429, 503)}, 1)])
def test_what_is_late_alone_is_not_asked_about_again(options: dict, tries: int) -> None:
    asked = list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return said(False)

    with Client("http://slow", http=httpx.Client(transport=httpx.MockTransport(answer)), **options) as client:
        with pytest.raises(Problem) as raised:
            client.predict(b"image")
        assert (raised.value.status, len(asked)) == (504, tries)


def test_a_turn_is_waited_for_within_the_deadline() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        time.sleep(0.5)
        return said(True)

    async def answer_task(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0.5)
        return said(True)

    async def two() -> list[object]:
        http = httpx.AsyncClient(transport=httpx.MockTransport(answer_task))
        async with AsyncClient("http://slow", at_once=1, deadline_s=0.2, http=http) as client:
            return await asyncio.gather(*(client.predict(b"image") for _ in range(2)), return_exceptions=True)

    http = httpx.Client(transport=httpx.MockTransport(answer))
    with Client("http://slow", at_once=1, deadline_s=0.2, http=http) as client, ThreadPoolExecutor(2) as pool:
        in_threads = [one.exception() for one in [pool.submit(client.predict, b"image") for _ in range(2)]]
    for failed in (in_threads[1], asyncio.run(two())[1]):
        assert isinstance(failed, NoAnswer)
        assert "within 0.2 s" in str(failed)


def test_so_many_at_one_time_is_one_or_more() -> None:
    with pytest.raises(ValueError, match="at_once is 1 or more"):
        Client("http://slow", at_once=0)


def test_of_many_threads_none_waits_for_ever() -> None:
    """A thread that asks again at once would have each turn before those that wait are awake."""

    def answer(_: httpx.Request) -> httpx.Response:
        time.sleep(0.01)
        return said(in_time=True)

    order: list[int] = []
    barrier = threading.Barrier(3)

    def ask(number: int) -> None:
        barrier.wait()
        for _ in range(20):
            client.predict(b"image")
            order.append(number)

    with (
        Client("http://slow", at_once=1, http=httpx.Client(transport=httpx.MockTransport(answer))) as client,
        ThreadPoolExecutor(3) as pool,
    ):
        list(pool.map(ask, range(3)))
    half = order[: len(order) // 2]
    assert min(half.count(number) for number in range(3)) >= 6


def test_after_many_late_photos_there_are_still_more_at_one_time_again() -> None:
    turns = Turns(2)
    for _ in range(30):
        turns.begin()
        turns.end(Problem({"status": LATE}))
        for _ in range(256):
            turns.begin()
            turns.end(None)
        turns.begin()
        assert turns.free()
        turns.end(None)
