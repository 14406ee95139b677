"""How often and how long one call tries."""

import time
from collections.abc import Collection
from dataclasses import dataclass, field

import httpx

from .errors import NoAnswer, Problem, SeedlingsError

BUSY = (429, 503, 504)
_RECONNECT_S = 0.1
_MOST_SILENT = 2  # tries of a call without a sign of life


@dataclass(frozen=True)
class Retries:
    """What a call may cost."""

    tries: int = 8  # at most
    deadline_s: float = 60.0  # for all of them and the pauses between them
    timeout_s: float = 30.0  # for one of them to connect, to send the next piece, or to get the next one
    again: Collection[int] = BUSY  # statuses after which there is another try

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if self.tries < 1 or self.deadline_s <= 0 or self.timeout_s <= 0:
            raise ValueError(f"tries, deadline_s and timeout_s are above 0, not {self.tries}, {self.deadline_s:g} and {self.timeout_s:g}")


@dataclass
class Attempts:
    """The tries of one call, from now on."""

    retries: Retries
    url: str
    made: int = 0
    silent: int = 0
    until: float = field(init=False)

    def __post_init__(self) -> None:
        self.until = time.monotonic() + self.retries.deadline_s

    def begin(self) -> httpx.Timeout:
        """What the next try may take. Raises NoAnswer once the deadline has passed."""
        self.made += 1
        left_s = self.check()
        return httpx.Timeout(min(self.retries.timeout_s, left_s), pool=left_s)

    def check(self) -> float:
        """The seconds left. Raises NoAnswer once the deadline has passed."""
        left_s = self.until - time.monotonic()
        if left_s <= 0:
            raise NoAnswer(f"{self.url} gave no whole answer within {self.retries.deadline_s:g} s")
        return left_s

    @property
    def spent(self) -> bool:
        """Whether there is no further try."""
        return self.made >= self.retries.tries or time.monotonic() >= self.until

    def pause_s(self, error: Problem | httpx.TransportError) -> float:
        """How long to wait before the next try. Raises what the call failed with if another try makes no sense, or none is left."""
        wait_s = self._wait_s(error)
        if wait_s is None or self.made >= self.retries.tries or time.monotonic() + wait_s >= self.until:
            raise self._failure(error) from (None if isinstance(error, Problem) else error)
        return wait_s

    def _wait_s(self, error: Problem | httpx.TransportError) -> float | None:
        if isinstance(error, Problem):
            return error.retry_after_s if error.status in self.retries.again else None
        if isinstance(error, httpx.ReadTimeout):  # a machine that is very busy stands still for a while
            self.silent += 1
            return _RECONNECT_S if self.silent < _MOST_SILENT else None
        # A connection that was kept open may have been closed on the other side. To ask twice does no harm.
        return _RECONNECT_S if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError) else None

    def _failure(self, error: Problem | httpx.TransportError) -> SeedlingsError:
        if isinstance(error, Problem):
            return error
        if isinstance(error, httpx.TimeoutException):
            return NoAnswer(f"{self.url} gave no answer in time ({type(error).__name__})")
        return NoAnswer(f"{self.url} does not answer ({error}); is the service running?")
