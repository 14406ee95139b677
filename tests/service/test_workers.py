"""Worker processes that end are followed by others: at once, or after a pause that grows."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.test_main import PATIENCE_S, ROOT

APP = """
import os, pathlib
if pathlib.Path("broken").exists():
    raise SystemExit(7)

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""
MINDER = """
import logging, socket, sys
import uvicorn
from service import workers

if __name__ == "__main__":
    logging.basicConfig(format="%(message)s")
    for name in ("FIRST_PAUSE_S", "LONGEST_PAUSE_S", "STEADY_S"):
        if told := sys.argv.pop():
            setattr(workers, name, float(told))
    config = uvicorn.Config("app:app", workers=2, log_config=None, lifespan="off")
    with socket.socket(fileno=int(sys.argv.pop())) as listener:
        minding = workers.Workers(config, [listener])
        minding.run()
    sys.exit(minding.failed)
"""


@contextlib.contextmanager
def minded(folder: Path, *, first: str = "", longest: str = "", steady: str = "") -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process that minds two workers, and its port."""
    (folder / "app.py").write_text(APP)
    (folder / "minder.py").write_text(MINDER)
    environ = os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "minder.py", str(listener.fileno()), steady, longest, first]
        with subprocess.Popen(
            command, env=environ, stderr=subprocess.PIPE, text=True, cwd=folder, pass_fds=[listener.fileno()], start_new_session=True
        ) as running:
            try:
                yield running, listener.getsockname()[1]
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.pid, signal.SIGKILL)


def one(port: int) -> int:
    """The process of the worker that answers."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S) as response:
        return int(response.read())


def seen_ready(port: int) -> int:
    """A worker that answers, once the process that minds it had the time to see that."""
    found = one(port)
    time.sleep(2)
    return found


def told(running: subprocess.Popen[str]) -> str:
    """The next line of the log on a worker."""
    assert running.stderr is not None
    for line in running.stderr:
        if line.startswith("worker "):
            return re.sub(r"^worker \d+ ", "", line.strip())
    raise AssertionError("the log has ended")


@pytest.mark.slow
def test_the_pause_before_a_broken_worker_begins_again_grows_and_it_begins_once_it_can(tmp_path: Path) -> None:
    with minded(tmp_path, longest="1.5") as (running, port):
        first = seen_ready(port)
        (tmp_path / "broken").touch()
        os.kill(first, signal.SIGKILL)
        assert told(running) == "was ended by SIGKILL; the next one begins in 0.5 s"
        assert told(running) == "ended with exit status 7; the next one begins in 1 s"
        since = time.monotonic()
        assert [told(running) for _ in range(2)] == ["ended with exit status 7; the next one begins in 1.5 s"] * 2
        assert time.monotonic() - since >= 2.5 - 0.5  # a line is read a little after it is written
        other = one(port)  # it answers all the time
        (tmp_path / "broken").unlink()
        os.kill(other, signal.SIGKILL)
        assert one(port) not in (first, other)


def test_a_worker_that_was_ready_for_a_while_is_followed_at_once(tmp_path: Path) -> None:
    with minded(tmp_path, steady="0", first="3600", longest="3600") as (running, port):
        os.kill(seen_ready(port), signal.SIGKILL)
        assert told(running) == "was ended by SIGKILL; the next one begins at once"


def test_a_signal_ends_the_service_during_the_pause(tmp_path: Path) -> None:
    with minded(tmp_path, first="3600", longest="3600") as (running, port):
        os.kill(seen_ready(port), signal.SIGKILL)
        assert told(running) == "was ended by SIGKILL; the next one begins in 3600 s"
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE_S) == 0


@pytest.mark.slow
def test_where_workers_cannot_begin_at_all_the_service_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    with minded(tmp_path) as (running, _):
        assert told(running) == "ended with exit status 7 before any was ready, so the service ends; the reason stands above"
        assert running.wait(PATIENCE_S) == 1


@pytest.mark.slow
def test_a_worker_that_does_not_answer_is_replaced(tmp_path: Path) -> None:
    with minded(tmp_path) as (running, port):
        stopped = seen_ready(port)
        os.kill(stopped, signal.SIGSTOP)
        assert told(running) == "did not answer for 5 s; the next one begins in 0.5 s"
        with pytest.raises(ProcessLookupError):
            os.kill(stopped, 0)
