"""What the time of a request went into, for OpenTelemetry. Where that is off, nothing of this costs or imports anything.

The request in the current context has a `Trace`; whoever takes time for it says so by `span` or `record`.
"""

import contextlib
import contextvars
import time
from collections.abc import Iterator
from typing import Protocol


class Trace(Protocol):
    """One request that is traced."""

    def child(self, name: str, started_s: float, ended_s: float, attributes: dict[str, str | int], error: str | None) -> None:
        """So much of its time went into `name`: seconds of the monotonic clock; `error` names what ended it."""


current: contextvars.ContextVar[Trace | None] = contextvars.ContextVar("trace", default=None)


def record(name: str, started_s: float, ended_s: float, error: BaseException | None = None, **attributes: str | int) -> None:
    """Something was done for the current request."""
    trace = current.get()
    if trace is not None:
        trace.child(name, started_s, ended_s, attributes, None if error is None else type(error).__name__)


@contextlib.contextmanager
def span(name: str) -> Iterator[None]:
    """The block does something for the current request."""
    started_s = time.monotonic()
    try:
        yield
    except BaseException as error:  # a cancelled one, too
        record(name, started_s, time.monotonic(), error)
        raise
    record(name, started_s, time.monotonic())
