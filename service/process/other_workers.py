"""Whether the other workers of this service are at work: by the processor time that they take, so that they need not say so."""

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

_QUIET_S = 0.05  # several steps of the clock by which Linux tells processor time


class OtherWorkers:
    """The other children of the process that minds this one. Without Linux's /proc none are seen."""

    def __init__(self, *, proc: Path = Path("/proc"), clock: Callable[[], float] = time.monotonic) -> None:
        self._proc, self._clock = proc, clock
        self._taken: dict[str, str] = {}  # process → its processor time when last looked at
        self._changed_s = -_QUIET_S

    @property
    def busy(self) -> bool:
        """Whether one of them took processor time since the last look, or shortly before."""
        now_s, taken = self._clock(), self._times()
        if taken != self._taken:
            self._taken, self._changed_s = taken, now_s
        return now_s - self._changed_s < _QUIET_S

    def _times(self) -> dict[str, str]:
        parent, found = os.getppid(), {}
        with contextlib.suppress(OSError):
            for child in (self._proc / f"{parent}/task/{parent}/children").read_text().split():
                if child != str(os.getpid()):
                    with contextlib.suppress(OSError):  # it has ended meanwhile
                        fields = (self._proc / child / "stat").read_text().rpartition(")")[2].split()
                        found[child] = " ".join(fields[11:13])  # in user and in system mode
        return found
