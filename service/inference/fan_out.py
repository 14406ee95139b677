"""Many images of one request, through the same queue as everybody's."""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from service.errors import DeadlinePassed, QueueFull, ServiceError, defect

log = logging.getLogger(__name__)
Item = TypeVar("Item")
Answer = TypeVar("Answer")
_RETRY_S = 0.02
_MOST_IN_A_ROW = 2  # too late though alone: then the machine is too busy, not an item too large
_BUSY = (DeadlinePassed, QueueFull)


async def each(
    ask: Callable[[Item], Awaitable[Answer]],
    items: Sequence[Item],
    *,
    at_once: int,
    patience_s: float,
    answers: dict[int, Answer | ServiceError] | None = None,
) -> list[Answer | ServiceError]:
    """The answer, or the error, of each item, in order; at most `at_once` of them are asked for at one time.

    `answers`, by the number of the item, is filled as they come: what is done is there, too, where this is cancelled.
    An error that nobody expected is in the log, and that item's alone.

    A full queue is no error here before `patience_s` have passed: the request was let in whole, so an item waits until
    there is room. What finds none, or passes its deadline beside the others, is asked for once more, alone, when they are done. Two in
    a row that fail so then, too, end this: one that is too much for the deadline harms none of the others. Cancelled, everything it
    asked for is cancelled.
    """
    answers = {} if answers is None else answers
    left = iter(enumerate(items))

    async def answered(item: Item) -> Answer | ServiceError:
        try:
            return await patiently(functools.partial(ask, item), patience_s)
        except ServiceError as error:
            return error
        except Exception:  # it harms no other item
            log.exception("a defect of this service")
            return defect()

    async def work() -> None:
        for index, item in left:
            answers[index] = await answered(item)

    at_once = min(at_once, len(items))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(work())
    late = [index for index, answer in sorted(answers.items()) if isinstance(answer, _BUSY)]
    in_a_row = 0
    for index in late if at_once > 1 else []:
        answers[index] = await answered(items[index])
        in_a_row = in_a_row + 1 if isinstance(answers[index], _BUSY) else 0
        if in_a_row == _MOST_IN_A_ROW:
            break
    return [answers[index] for index in range(len(items))]


async def patiently(ask: Callable[[], Awaitable[Answer]], patience_s: float) -> Answer:
    """What `ask` gives, of a request that was let in before. A full queue is waited for, as long as `patience_s`. Raises what it raises."""
    until = time.monotonic() + patience_s
    while True:
        try:
            return await ask()
        except QueueFull:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(_RETRY_S)
