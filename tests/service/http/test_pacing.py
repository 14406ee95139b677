"""Turns are given in order, a few in each round of the event loop."""

import asyncio

from service.http.pacing import AT_ONCE, Pacer


def test_a_crowd_is_let_through_a_few_in_each_round() -> None:
    rounds: list[int] = []  # how many were through at the end of each
    through: list[int] = []

    async def caller(pacer: Pacer, number: int) -> None:
        await pacer.next()
        through.append(number)

    async def watch() -> None:
        while len(through) < 100:
            await asyncio.sleep(0)
            rounds.append(len(through))

    async def run() -> None:
        pacer = Pacer()
        watching = asyncio.create_task(watch())
        await asyncio.gather(*(caller(pacer, number) for number in range(100)), watching)

    asyncio.run(run())
    assert sorted(through) == list(range(100))
    assert 99 in through[: 2 * AT_ONCE + 1]  # the last one does not wait for the crowd,
    assert set(range(20)) <= set(through[:50])  # nor do the first ones for those that come later
    assert max(after - before for before, after in zip([0, *rounds], rounds, strict=False)) <= 2 * AT_ONCE


def test_one_that_gave_up_takes_no_turn() -> None:
    async def run() -> int:
        pacer = Pacer()
        tasks = [asyncio.create_task(pacer.next()) for _ in range(5 * AT_ONCE)]
        await asyncio.sleep(0)
        for task in tasks[AT_ONCE : 4 * AT_ONCE]:
            task.cancel()
        return len([one for one in await asyncio.gather(*tasks, return_exceptions=True) if one is None])

    assert asyncio.run(asyncio.wait_for(run(), 10)) == 2 * AT_ONCE
