"""The port for probes."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from benchmarks.processes import free_port
from service.http.probes import MAX_CONNECTIONS
from service.settings import Settings
from tests import fakes
from tests.service.conftest import PATIENCE_S, Start, serve


@pytest.fixture
def probe_port(publish_in: Callable[..., Path]) -> int:
    publish_in(fakes.Shares)
    return free_port()


def asked(port: int, path: str, method: str = "GET") -> httpx.Response:
    return httpx.request(method, f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S, verify=False)


def test_it_answers_the_probes_alone(start: Start, probe_port: int) -> None:
    service = start(probe_port=probe_port)
    for path in ("/health", "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"):
        assert asked(probe_port, path).content == service.client.get(path).content
        assert asked(probe_port, path, "HEAD").status_code == 200
    assert asked(probe_port, "/predict", "POST").status_code == 404
    assert asked(probe_port, "/metrics").status_code == 404


def test_it_answers_while_the_event_loop_stands_still_and_says_so(start: Start, probe_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    service = start(probe_port=probe_port)
    stuck, go_on = threading.Event(), threading.Event()

    def stand_still(_: int) -> None:
        stuck.set()
        go_on.wait(PATIENCE_S)

    monkeypatch.setattr(service.services.metrics, "queue_length", stand_still)  # called in the event loop
    assert stuck.wait(PATIENCE_S)
    try:
        assert asked(probe_port, "/health/live").status_code == 200
        assert asked(probe_port, "/health/ready").status_code == 200
        service.services.heartbeat.stopped_s = 0.0
        assert asked(probe_port, "/health/live").json() == {"live": False}
        told = asked(probe_port, "/health")
        assert (told.status_code, told.json()["status"]) == (503, "failed")
        assert "event loop" in told.json()["error"]
    finally:
        service.services.heartbeat.stopped_s = PATIENCE_S
        go_on.set()
    assert service.client.get("/health/live").status_code == 200


def test_silent_connections_keep_nobody_out(start: Start, probe_port: int) -> None:
    start(probe_port=probe_port)
    with contextlib.ExitStack() as stack:
        for _ in range(2 * MAX_CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", probe_port), timeout=PATIENCE_S))
        assert asked(probe_port, "/health/live").status_code == 200


def test_it_ends_with_the_service(tmp_path: Path, probe_port: int) -> None:
    with serve(Settings(store=tmp_path, threads=1, runtime="torchscript", probe_port=probe_port)) as running:
        running.wait_ready()
        assert asked(probe_port, "/health/live").status_code == 200
    with pytest.raises(httpx.ConnectError):
        asked(probe_port, "/health/live")
