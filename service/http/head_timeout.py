"""The server's HTTP protocol with one more limit: the head of a request has to arrive in time.

uvicorn bounds idle connections and this service bounds bodies, but nobody else a client that sends its headers a byte
a minute; a few thousand of those would use up the process's sockets.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_TIMEOUT_S = 10.0


class TimedHead(HttpToolsProtocol):
    """Hangs up where a request's head takes longer than HEAD_TIMEOUT_S."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Starts the clock for the first request."""
        super().connection_made(transport)
        self._start()

    def on_message_begin(self) -> None:
        """Starts the clock for the next request."""
        super().on_message_begin()
        self._start()

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._stop()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._stop()
        self._timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
