"""Programs in a terminal of their own, into which a test types."""

import contextlib
import fcntl
import os
import pty
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PATIENCE_S = 120.0  # a loaded machine is no failure


class Terminal:
    """A program, and what it has shown so far."""

    def __init__(self, process: "subprocess.Popen[bytes]", keyboard: int) -> None:
        self._process, self._keyboard = process, keyboard
        self.text = ""

    def type(self, keys: str) -> None:
        """As a person would: the terminal turns Ctrl-C, \\x03, into a signal to all processes of the program."""
        os.write(self._keyboard, keys.encode())

    def wait_for(self, sign: str) -> None:
        """Until the program shows this text."""
        until = time.monotonic() + PATIENCE_S
        while sign not in self.text and time.monotonic() < until and self._read():
            pass
        assert sign in self.text, self.text

    def ended(self) -> int:
        """The exit status, after all that it shows was read."""
        while self._read():
            pass
        return self._process.wait(PATIENCE_S)

    def _read(self) -> bool:
        try:
            read = os.read(self._keyboard, 4096)
        except OSError:  # nobody has the terminal open any more
            return False
        self.text += read.decode(errors="replace")
        return bool(read)


@contextlib.contextmanager
def opened(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> Iterator[Terminal]:
    """Start a program in a new terminal."""
    keyboard, screen = pty.openpty()
    termios.tcsetwinsize(screen, (40, 120))

    def control() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        command, stdin=screen, stdout=screen, stderr=screen, env=environment, cwd=folder, start_new_session=True, preexec_fn=control
    )
    os.close(screen)
    try:
        yield Terminal(process, keyboard)
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)
