"""How many photos are asked about at one time: one after an answer that came too late, then by and by more again.

Photos that are too late together would be too late together at the next try, too.
"""

import asyncio
import collections
import contextlib
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator

from .errors import Problem

LATE = 504  # the status of an answer that did not come in time
_IN_TIME = 4  # answers in a row before one more photo is asked about at one time; twice as many after each time that was too much
_NEEDED_AT_MOST = 256  # else a client that goes on for weeks would ask about one at a time for ever


class Turns:
    """The count, for both clients."""

    def __init__(self, most: int | None) -> None:
        """Raises ValueError."""
        if most is not None and most < 1:
            raise ValueError(f"at_once is 1 or more, not {most}")
        self._most = self._now = math.inf if most is None else most
        self._asking = 0
        self._in_time, self._needed = 0, _IN_TIME  # answers in a row; so many before there is one photo more at one time

    def free(self) -> bool:
        """Whether one more may be asked about."""
        return self._asking < self._now

    def begin(self) -> bool:
        """One more is asked about. Whether it is the only one for as long as it takes."""
        self._asking += 1
        return self._now == 1

    def end(self, error: BaseException | None) -> None:
        """One is done."""
        self._asking -= 1
        if isinstance(error, Problem) and error.status == LATE:
            if self._now > 1:
                self._now, self._needed = 1, min(2 * self._needed, _NEEDED_AT_MOST)
            self._in_time = 0
        elif error is None:
            self._in_time += 1
            if self._in_time >= self._needed:
                self._now, self._in_time = min(self._most, self._now + 1), 0


class ThreadTurns:
    """For threads."""

    def __init__(self, most: int | None) -> None:
        """Raises ValueError."""
        self._turns, self._changed = Turns(most), threading.Condition()
        self._waiting: collections.deque[object] = collections.deque()  # in turn: else a thread in a loop would leave none to others

    @contextlib.contextmanager
    def next(self, left_s: Callable[[], float]) -> Iterator[bool]:
        """A turn, once it comes: whether the photo is alone. `left_s` gives the seconds that it may be waited for, or raises."""
        place = object()
        with self._changed:
            self._waiting.append(place)
            try:
                while not self._changed.wait_for(lambda: self._waiting[0] is place and self._turns.free(), left_s()):
                    pass
                alone = self._turns.begin()
            finally:
                self._waiting.remove(place)
                self._changed.notify_all()  # there may be a turn for the next one, too
        error: BaseException | None = None
        try:
            yield alone
        except BaseException as raised:
            error = raised
            raise
        finally:
            with self._changed:
                self._turns.end(error)
                self._changed.notify_all()


class TaskTurns:
    """The same for asyncio."""

    def __init__(self, most: int | None) -> None:
        """Raises ValueError."""
        self._turns, self._changed = Turns(most), asyncio.Condition()

    @contextlib.asynccontextmanager
    async def next(self, left_s: Callable[[], float]) -> AsyncIterator[bool]:
        """As of `ThreadTurns`."""
        async with self._changed:
            while not self._turns.free():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left_s()):
                        await self._changed.wait_for(self._turns.free)
            alone = self._turns.begin()
        error: BaseException | None = None
        try:
            yield alone
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._turns.end(error)
            async with self._changed:
                self._changed.notify_all()
