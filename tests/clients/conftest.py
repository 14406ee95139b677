"""A service for the clients to ask, and a server that answers what a test says."""

import contextlib
import http.client
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from service.settings import Settings
from tests import fakes
from tests.service.conftest import Running, serve

KEY = "secret"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service of the fake model `Measured` with a key, which keeps corrections."""
    store = tmp_path_factory.mktemp("store")
    fakes.publish(store, fakes.Measured)
    with serve(
        Settings.model_validate(
            {"store": store, "threads": 1, "max_batch": 4, "runtime": "torchscript", "api_key": KEY, "max_body_bytes": 20_000}
            | {"database": f"sqlite:///{store}/corrections.db"}
        )
    ) as running:
        running.wait_ready()
        headers = {"X-API-Key": KEY}
        running.wait_for(
            lambda: running.client.delete("/corrections/none", headers=headers).json()["status"] == 404, "its database is open"
        )
        yield running


@pytest.fixture(scope="module")
def url(service: Running) -> str:
    return f"http://127.0.0.1:{service.port}"


@dataclass(frozen=True)
class Said:
    """One answer of the other server. A body is sent in pieces, with a pause before each."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    pieces: int = 1
    pause_s: float = 0.0
    hangs_up: bool = False  # without an answer


Answering = Callable[..., contextlib.AbstractContextManager[tuple[str, list[http.client.HTTPMessage]]]]


@pytest.fixture(scope="session")
def answering() -> Answering:
    """Start a server that gives some answers in turn; gives its address, and the headers of the requests it gets."""

    @contextlib.contextmanager
    def start(*answers: Said) -> Iterator[tuple[str, list[http.client.HTTPMessage]]]:
        left, asked = list(answers), []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked.append(self.headers)
                said = left.pop(0)
                if said.hangs_up:
                    self.close_connection = True
                    return
                self.send_response(said.status)
                for name, value in ({"Content-Length": str(len(said.body) * said.pieces)} | said.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(OSError):  # who asked has gone
                    for _ in range(said.pieces):
                        time.sleep(said.pause_s)
                        self.wfile.write(said.body)
                        self.wfile.flush()

            do_GET = do_POST = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}", asked
            finally:
                server.shutdown()
                thread.join()

    return start
