"""The end of a process: from the first signal on it is not ready, answers what is in flight, then leaves."""

import asyncio
import contextlib
import logging
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

log = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_STEP_S = 0.02


class Shutdown:
    """Whether this process is shutting down, and the number of requests that it still answers."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._task: asyncio.Task[None] | None = None
        self.draining = False
        self.in_flight = 0

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Counts one request as in flight."""
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    @contextlib.contextmanager
    def watching_signals(self) -> Iterator[None]:
        """Stand before the server's own signal handlers: they hear of a signal once nothing is in flight, or grace is over.

        A second signal reaches them at once. Outside the main thread, where there are no signals, this does nothing.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        servers = {number: signal.getsignal(number) for number in _SIGNALS}

        def receive(number: int, frame: FrameType | None) -> None:
            if self.draining:
                _call(servers[signal.Signals(number)], number, frame)
                return
            self.draining = True
            loop.call_soon_threadsafe(begin, number)

        def begin(number: int) -> None:
            self._task = loop.create_task(self._drain(servers[signal.Signals(number)], number))

        for number in _SIGNALS:
            signal.signal(number, receive)
        try:
            yield
        finally:
            for number, handler in servers.items():
                signal.signal(number, handler)

    async def _drain(self, handler: Any, number: int) -> None:
        log.info("shutting down: %d requests in flight", self.in_flight)
        until = time.monotonic() + self._grace_s
        while self.in_flight and time.monotonic() < until:
            await asyncio.sleep(_STEP_S)
        _call(handler, number, None)


def _call(handler: Any, number: int, frame: FrameType | None) -> None:
    if callable(handler):
        handler(number, frame)
