"""A real server for the tests of the service."""

import contextlib
import logging
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import pytest
import uvicorn

from service.app import create_app
from service.http.connection import Connection
from service.http.listening import handles
from service.http.services import Services
from service.process import logs, memory
from service.process.otel import Tracing
from service.settings import Settings
from tests import fakes

PATIENCE_S = 60.0  # a loaded machine is no failure
# Comparing the runtimes of the shipped segmenter takes two seconds of each start; tests of its choice name another.
_DEFAULTS = {"max_batch": 4, "threads": 1, "runtime": "torchscript"}


@dataclass
class Running:
    """A service under real uvicorn, in a thread."""

    client: httpx.Client
    port: int
    services: Services
    server: uvicorn.Server

    def wait_for(self, condition: Callable[[], object], what: str) -> None:
        """Until `condition` holds; fails the test when it never does."""
        until = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < until, f"never happened: {what}"
            time.sleep(0.01)

    def wait_ready(self) -> None:
        """Until the probe says ready, and the segmenter is loaded, too, or it is known that there is none."""
        self.wait_for(lambda: self.client.get("/health/ready").status_code == 200, "ready")
        segmenters = self.services.segmenters
        self.wait_for(lambda: segmenters.current or segmenters.error, "the segmenter is loaded, or cannot be")

    def wait_keeping(self) -> None:
        """Until its database of corrections is open."""

        def is_open() -> bool:
            return bool(self.client.delete("/corrections/none").json()["type"] == "urn:seedlings:unknown-correction")

        self.wait_for(is_open, "its database is open")

    @contextlib.contextmanager
    def raw(self, request: bytes) -> Iterator[socket.socket]:
        """A plain connection on which `request` was sent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            connection.sendall(request)
            yield connection


@pytest.fixture(scope="module", autouse=True)
def settled() -> None:
    """What earlier modules left is passed over by the garbage collections in each start of a service."""
    memory.settle()


@pytest.fixture
def configure_logs() -> Iterator[Callable[[Literal["human", "json"]], None]]:
    """Has logs written as a process of the service does. Afterwards all is as it was, and none of pytest's own handlers was closed."""
    root = logging.getLogger()
    before = root.handlers[:], root.level

    def configure(style: Literal["human", "json"]) -> None:
        root.handlers.clear()
        with warnings.catch_warnings():  # it sets filters too
            logs.configure(style, "info")

    yield configure
    root.handlers[:], root.level = before


Start = Callable[..., Running]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start services with the settings given, on the test's own store; all are stopped at the end."""
    with contextlib.ExitStack() as stack:

        def begin(*, ready: bool = True, **values: object) -> Running:
            settings = Settings.model_validate(_DEFAULTS | {"store": tmp_path, "poll_s": 0.05} | values)
            running = stack.enter_context(serve(settings))
            if ready:
                running.wait_ready()
            return running

        yield begin


@pytest.fixture(scope="module")
def module_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """As `start`, on a store of its own that holds one network; for the length of a test module."""
    with starting(tmp_path_factory) as begin:
        yield begin


@pytest.fixture(scope="module")
def service(module_service: Start) -> Running:
    """A service of the fake model `Shares`, for all tests of a module that neither publish nor stop it."""
    return module_service()


@pytest.fixture(scope="module")
def detecting(tmp_path_factory: pytest.TempPathFactory, module_service: Start) -> Running:
    """A service of the fake model `Halves` and the fake segmenter `Green`, for all tests of a module."""
    root = tmp_path_factory.mktemp("detecting")
    fakes.publish(root, fakes.Halves, threshold=0.3, group=0.3, kind=0.3)
    fakes.publish_segmenter(root)
    running = module_service(store=root)
    running.wait_for(lambda: running.services.segmenters.current, "the segmenter is loaded")
    return running


@pytest.fixture
def own_service(start: Start, publish_in: Callable[..., Path]) -> Running:
    """A service of the fake model `Shares` for one test alone, which may count on it or break it."""
    publish_in(fakes.Shares)
    return start()


@contextlib.contextmanager
def starting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start services, each on a store of its own that holds one network; all are stopped at the end of the block.

    `calibration` are thresholds and promise of the network, as `fakes.publish` takes them.
    """
    with contextlib.ExitStack() as stack:

        def begin(*, network: type = fakes.Shares, calibration: Mapping[str, float | None] | None = None, **values: object) -> Running:
            root = tmp_path_factory.mktemp("store")
            fakes.publish(root, network, **calibration or {})
            running = stack.enter_context(serve(Settings.model_validate(_DEFAULTS | {"store": root} | values)))
            running.wait_ready()
            return running

        yield begin


@contextlib.contextmanager
def serve(settings: Settings, tracing: Tracing | None = None) -> Iterator[Running]:
    """A service on a free port, for the length of the block."""
    app = create_app(settings, tracing)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        # Logs are not configured, as in the service: that would close other libraries' log handlers, and pytest's output with them.
        config = uvicorn.Config(
            app, http=Connection, ws="none", server_header=False, log_config=None, log_level="warning", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=(handles(listener),))
        thread.start()
        try:
            # Unless told not to verify, each client reads the certificates of all authorities, which plain HTTP has no use for.
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, verify=False) as client:
                running = Running(client, port, app.state.services, server)
                running.wait_for(lambda: server.started or not thread.is_alive(), "the server's start")
                yield running
        finally:
            server.should_exit = True
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
