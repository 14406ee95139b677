"""Pacing: of what comes in together, a few are begun in each round of the event loop, so that it soon sees what has come since."""

import asyncio
from collections import deque
from collections.abc import Callable

AT_ONCE = 2  # requests begun, or ended, in one round of the event loop: a millisecond or two


class Pacer:
    """Lets callers through a few at a time.

    Without it, a thousand requests that arrive together would all begin in one round of the event loop. A thousand whose clients leave
    together would all end in one. A probe that arrives after them would wait for the whole round.

    Of those that wait the newest is let through, then the oldest, then the newest … So whoever comes last need not wait for the end of a
    flood, and nobody waits for ever.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = self._left = at_once
        self._waiting: deque[Callable[[], object]] = deque()
        self._renewing = self._oldest_next = False

    def ask(self, begin: Callable[[], object]) -> bool:
        """Call `begin` at once where there are few callers, else when it is its turn. Whether it was called at once.

        One that returns False had nothing to do, and takes no turn.
        """
        if not self._renewing:
            self._renewing = True
            asyncio.get_running_loop().call_soon(self._renew)
        if self._left and not self._waiting:
            self._left -= 1
            begin()
            return True
        self._waiting.append(begin)
        return False

    async def next(self) -> None:
        """Returns at once where there are few callers, else when it is this one's turn."""
        turn = asyncio.get_running_loop().create_future()
        if not self.ask(lambda: False if turn.done() else turn.set_result(None)):  # done: its caller is gone
            await turn

    def _renew(self) -> None:
        self._left = self._at_once
        self._renewing = bool(self._waiting)
        if self._renewing:
            asyncio.get_running_loop().call_soon(self._renew)
        while self._left and self._waiting:
            begin = self._waiting.popleft() if self._oldest_next else self._waiting.pop()
            self._oldest_next = not self._oldest_next
            if begin() is not False:
                self._left -= 1
