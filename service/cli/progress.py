"""How far long work is: a bar on a terminal, a plain line now and then elsewhere."""

import time
from typing import TextIO

_WIDTH = 30
_BAR_S, _LINE_S = 0.1, 10.0  # between two looks at it


class Progress:
    """Counts steps out of `total` and shows them on `stream`."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self._total, self._stream = total, stream
        self._terminal = stream.isatty()
        self._done = 0
        self._started = self._shown = time.monotonic()

    def step(self, count: int = 1) -> None:
        """So many more are done."""
        self._done += count
        now = time.monotonic()
        if now - self._shown >= (_BAR_S if self._terminal else _LINE_S) or (self._terminal and self._done == self._total):
            self._shown = now
            self._show(now - self._started)

    def close(self) -> None:
        """Take the bar away."""
        if self._terminal:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _show(self, passed_s: float) -> None:
        rate = self._done / max(passed_s, 1e-6)
        left_s = round((self._total - self._done) / rate)
        text = f"{self._done}/{self._total} photos, {rate:.{0 if rate >= 10 else 1}f} a second, {left_s // 60}:{left_s % 60:02} left"
        if self._terminal:
            filled = _WIDTH * self._done // self._total
            self._stream.write(f"\r\x1b[K{'█' * filled}{'░' * (_WIDTH - filled)} {text}")
        else:
            self._stream.write(text + "\n")
        self._stream.flush()
