"""Turns: how much is done of what came in together before the event loop looks for what has come since."""

import asyncio
from collections import deque

AT_ONCE = 4  # requests begun, or ended, in one round of the event loop: some milliseconds


class Turns:
    """Lets callers through a few at a time, in order.

    A thousand requests that arrive together would all be begun in one round of the event loop, and a thousand whose clients
    leave together would all be ended in one. A probe that arrives after them would wait for the whole of that.
    """

    def __init__(self) -> None:
        self._left = AT_ONCE
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._renewing = False

    async def next(self) -> None:
        """Returns at once where there are few callers, else when it is this one's turn."""
        if not self._renewing:
            self._renewing = True
            asyncio.get_running_loop().call_soon(self._renew)
        if self._left and not self._waiting:
            self._left -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn

    def _renew(self) -> None:
        self._left = AT_ONCE
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # its caller may be gone
                turn.set_result(None)
                self._left -= 1
        self._renewing = bool(self._waiting)
        if self._renewing:
            asyncio.get_running_loop().call_soon(self._renew)
