"""The process that minds several workers: it starts them, begins them anew when they end, and ends them in good order."""

import contextlib
import logging
import signal
import socket
import time
from collections.abc import Iterator
from multiprocessing import resource_tracker
from weakref import WeakKeyDictionary

from uvicorn import Config
from uvicorn.supervisors import Multiprocess
from uvicorn.supervisors.multiprocess import Process

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 60.0  # a worker that was ready for so long is followed at once by the next one
_STEP_S = 0.05
_PING_S = 1.0

log = logging.getLogger(__name__)


class Workers(Multiprocess):
    """Worker processes that are begun anew when they end: at once, or where they end soon after their start, after a pause that grows.

    They leave Ctrl-C to this process, which ends them in good order. A terminal sends it to all of them. A worker that imports would end
    with a traceback. One that answers would hear of its end twice, and take that for an order to drop what is in flight.
    """

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self.failed = False  # whether the service ended because its workers cannot begin
        self._any_ready = False
        self._courses: WeakKeyDictionary[Process, _Course] = WeakKeyDictionary()

    def init_processes(self) -> None:
        with _interrupts_held():
            super().init_processes()

    def restart_all(self) -> None:
        with _interrupts_held():
            super().restart_all()

    def handle_ttin(self) -> None:
        with _interrupts_held():
            super().handle_ttin()

    def keep_subprocess_alive(self) -> None:
        for place, worker in enumerate(self.processes):
            course = self._courses.setdefault(worker, _Course())
            if course.due_s is None:
                self._look_at(worker, course)
            if self.should_exit.is_set():
                return
            if course.due_s is not None and course.due_s <= time.monotonic():
                self.processes[place] = Process(self.config, self.sockets)
                self._courses[self.processes[place]] = course
                course.begin()
                with _interrupts_held():
                    self.processes[place].start()

    def _look_at(self, worker: Process, course: "_Course") -> None:
        """Whether a worker goes on. One that has ended is followed by another one, now or later."""
        if worker.is_alive(self.config.timeout_worker_healthcheck):
            if course.ready_since_s is None and worker.is_ready(_PING_S):
                course.ready_since_s = time.monotonic()
                self._any_ready = True
            return
        stuck = worker.process.is_alive()
        worker.kill()
        worker.join()
        why = f"did not answer for {self.config.timeout_worker_healthcheck} s" if stuck else _end(worker.exitcode)
        if not self._any_ready and not stuck and (worker.exitcode or 0) > 0:  # as where there is one process alone
            log.error("worker %s %s before any was ready, so the service ends; the reason stands above", worker.pid, why)
            self.failed = True
            self.should_exit.set()
            return
        pause_s = course.end()
        log.warning("worker %s %s; the next one begins %s", worker.pid, why, f"in {pause_s:g} s" if pause_s else "at once")

    def terminate_all(self) -> None:
        for worker in self.processes:
            if worker.ping(_PING_S) and not worker.is_ready(_PING_S):  # it imports, and has nothing in flight
                worker.process.kill()
        super().terminate_all()

    def join_all(self) -> None:
        while any(worker.process.is_alive() for worker in self.processes):
            time.sleep(_STEP_S)
            if self.signal_queue:  # a second signal: they are not to wait for what is in flight
                self.signal_queue.clear()
                self.terminate_all()


class _Course:
    """Workers that follow one another: since when the present one is ready, and when the next one begins. Times are monotonic."""

    def __init__(self) -> None:
        self.ready_since_s: float | None = None
        self.due_s: float | None = None  # None: the present one has not ended
        self._pause_s = 0.0

    def begin(self) -> None:
        """Another worker begins."""
        self.ready_since_s = self.due_s = None

    def end(self) -> float:
        """The present worker has ended. Returns the pause in seconds before the next one."""
        now_s = time.monotonic()
        steady = self.ready_since_s is not None and now_s - self.ready_since_s >= STEADY_S
        self._pause_s = 0.0 if steady else min(max(2 * self._pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self.due_s = now_s + self._pause_s
        return self._pause_s


def _end(exitcode: int | None) -> str:
    """How a process ended, for a sentence."""
    if exitcode is None or exitcode >= 0:
        return f"ended with exit status {exitcode}"
    with contextlib.suppress(ValueError):
        return f"was ended by {signal.Signals(-exitcode).name}"
    return f"was ended by signal {-exitcode}"


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """A process that is started inside never hears of an interrupt. This one hears of it at the end."""
    resource_tracker.ensure_running()  # else it starts with the first process, and lets interrupts through
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
