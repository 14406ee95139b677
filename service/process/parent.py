"""A worker does not outlive the process that minds it: nobody could stop it, and it would keep the port."""

import logging
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading

log = logging.getLogger(__name__)


def end_with_parent() -> None:
    """Once the process that started this one as a worker is gone, SIGTERM ends this one, in good order.

    A process that was killed tells nobody. But its end of a pipe closes with it, on every system.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_wait, args=(parent.sentinel,), name="parent", daemon=True).start()


def _wait(sentinel: int) -> None:
    multiprocessing.connection.wait([sentinel])
    log.error("the process that minds this worker is gone; it answers what is in flight and ends")
    os.kill(os.getpid(), signal.SIGTERM)
