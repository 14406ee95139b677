"""Ctrl-C ends a command within a second with one line, whatever it computes or imports. Commands import it before all that is slow."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

STATUS = 130  # what shells give a process that was interrupted
MESSAGE = "interrupted"
_GRACE_S = 0.25  # then the kernel frees the memory, for a tenth of a second a GB: that shall fit into the second, too


@contextmanager
def within_a_second(message: str = MESSAGE) -> Iterator[None]:
    """While inside, an interrupt that Python did not raise in time ends the process, with `message` as its last line.

    Python raises KeyboardInterrupt only between two of its own steps. One backward pass can take many seconds. A library that is
    interrupted while it is imported may catch it, or raise something else in its place: that becomes KeyboardInterrupt again.
    Each file is written under a temporary name first, so an end at any moment leaves none half written. In another thread than
    the main one, where Python takes no signals, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    heard, left = threading.Event(), threading.Event()
    watch = threading.Thread(target=_watch, args=(reader, heard, left, message), name="interrupt", daemon=True)
    watch.start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)  # written to at once, by Python's handler in C
    try:
        yield
    except BaseException as error:
        if heard.is_set() and not isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        os.write(writer, b"\0")
        watch.join()
        os.close(reader)
        os.close(writer)


def leave(status: int) -> NoReturn:
    """End the process; after an interrupt at once, since torch and TensorBoard take seconds to put themselves away."""
    if status != STATUS:
        sys.exit(status)
    at_once(status)


def at_once(status: int) -> NoReturn:
    """End the process without Python's own end, which aborts where a thread is in the midst of a library's code."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _watch(reader: int, heard: threading.Event, left: threading.Event, message: str) -> None:
    while not left.is_set():
        if os.read(reader, 1)[0] != signal.SIGINT:
            continue
        heard.set()
        if not left.wait(_GRACE_S):
            sys.stderr.write(message + "\n")
            sys.stderr.flush()
            os._exit(STATUS)
