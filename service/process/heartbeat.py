"""The heartbeat of the event loop that answers requests: other threads see by it whether the loop stands still."""

import time

STOPPED_S = 10.0  # no round of it is nearly so long, in a flood either


class Heartbeat:
    """Beats in the event loop. Before the first beat it has not stopped."""

    def __init__(self, stopped_s: float = STOPPED_S) -> None:
        self.stopped_s = stopped_s
        self._last_s: float | None = None  # monotonic

    def beat(self) -> None:
        """The loop runs now."""
        self._last_s = time.monotonic()

    @property
    def stopped(self) -> bool:
        """Whether the last beat is too long ago."""
        return self._last_s is not None and time.monotonic() - self._last_s > self.stopped_s
