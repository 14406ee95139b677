"""The client, against a server that answers what the test says."""

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from service.cli.client import Client, HandedOn
from service.errors import NotReady, ServiceError


@contextlib.contextmanager
def answering(*answers: tuple[int, dict[str, str], bytes]) -> Iterator[tuple[str, list[http.client.HTTPMessage]]]:
    """The address of a server that gives these answers in turn, and the headers of the requests it got."""
    left, asked = list(answers), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            asked.append(self.headers)
            status, headers, body = left.pop(0)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", asked
        finally:
            server.shutdown()
            thread.join()


def test_a_busy_service_is_asked_again_with_the_key() -> None:
    with answering((429, {"Retry-After": "0"}, b""), (200, {}, b'{"species": "Maize"}')) as (url, asked):
        assert Client(url, "secret").predict(b"image") == {"species": "Maize"}
    assert [headers["X-API-Key"] for headers in asked] == ["secret", "secret"]


def test_the_problem_of_the_service_is_handed_on() -> None:
    document = {"type": "urn:seedlings:model-failed", "title": "The model failed", "status": 500, "detail": "the model raised an error"}
    with answering((500, {}, json.dumps(document).encode())) as (url, _), pytest.raises(HandedOn, match="the model raised an error"):
        Client(url).predict(b"image")


def test_an_error_that_is_no_problem_names_its_status() -> None:
    with answering((502, {}, b"<html>")) as (url, _), pytest.raises(ServiceError, match="502"):
        Client(url).predict(b"image")


def test_something_else_that_answers_is_no_service() -> None:
    with answering((200, {}, b"<html>")) as (url, _), pytest.raises(NotReady, match="check the address"):
        Client(url).predict(b"image")


def test_an_address_needs_its_scheme() -> None:
    with pytest.raises(ValueError, match="begins with http"):
        Client("localhost:8000")
