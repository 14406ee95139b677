"""Bursts, deadlines, callers that go away, models that fail: each gets its status, and the service goes on."""

import contextlib
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.http import connection as http_connection
from service.http import uploads
from tests import fakes
from tests.service.conftest import Running, Start


def ask(service: Running, **values: object) -> int:
    return service.client.post("/predict", content=fakes.image(**values)).status_code


def test_a_full_queue_answers_429_at_once(start: Start, publish_in) -> None:
    publish_in(fakes.Slow)
    service = start(max_queue=2, max_batch=1)
    with ThreadPoolExecutor(12) as pool:
        responses = list(pool.map(lambda _: service.client.post("/predict", content=fakes.image()), range(12)))
    statuses = [response.status_code for response in responses]
    assert set(statuses) == {200, 429}
    for response in responses:
        if response.status_code == 429:
            assert int(response.headers["retry-after"]) >= 1
            assert response.json()["type"] == "urn:seedlings:queue-full"
    assert ask(service) == 200
    assert 'seedlings_rejected_total{reason="queue-full"}' in service.client.get("/metrics").text


def test_a_deadline_gives_504_and_frees_its_place(start: Start, publish_in) -> None:
    publish_in(fakes.Slow)
    service = start(deadline_s=0.01, max_batch=1)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: ask(service), range(4))) == {504}
    service.wait_for(lambda: service.client.get("/health").json()["queued"] == 0, "an empty queue")


def test_a_caller_that_goes_away_costs_nothing(start: Start, publish_in) -> None:
    publish_in(fakes.Slow)
    service = start(max_batch=1)
    body = fakes.image()
    request = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(service.raw(request)) for _ in range(10)]
        service.wait_for(lambda: service.client.get("/health").json()["queued"] >= 5, "a queue")
        for caller in callers:  # leave rudely
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    service.wait_for(lambda: service.client.get("/health").json()["queued"] == 0, "an empty queue")
    assert ask(service) == 200
    metrics = service.client.get("/metrics").text
    run = sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("seedlings_batch_size_sum"))
    assert run < 11  # most of the ten were never run
    service.wait_for(lambda: 'route="/predict",status="499"' in service.client.get("/metrics").text, "their record")


def test_one_bad_image_never_fails_its_mates(start: Start, publish_in) -> None:
    publish_in(fakes.Fragile)
    service = start(batch_wait_s=0.05)
    colours = {(0, 0, 0): 500, (255, 255, 255): 500, (9, 1, 1): 200, (1, 9, 1): 200}
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert dict(zip(colours, pool.map(lambda colour: ask(service, colour=colour), colours), strict=True)) == colours


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255)], ids=["raises", "nan"])
def test_a_failing_model_turns_health_to_failed_and_recovers(start: Start, publish_in, colour: tuple[int, int, int]) -> None:
    publish_in(fakes.Fragile)
    service = start()
    response = service.client.post("/predict", content=fakes.image(colour))
    assert response.status_code == 500
    assert response.json()["type"] == "urn:seedlings:model-failed"
    assert "Traceback" not in response.text
    service.wait_for(lambda: service.client.get("/health").json()["status"] == "failed", "failed")
    assert service.client.get("/health").status_code == 503
    assert "the model failed" in service.client.get("/health").json()["error"]
    assert service.client.get("/health/live").status_code == 200
    assert ask(service) == 200
    service.wait_for(lambda: service.client.get("/health").status_code == 200, "recovery")


def receive_all(connection: socket.socket) -> bytes:
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("head", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"])
def test_a_slow_upload_is_cut_off(start: Start, publish_in, head: bytes) -> None:
    publish_in()
    service = start(upload_timeout_s=0.2)
    with service.raw(b"POST /predict HTTP/1.1\r\nHost: x\r\n" + head) as connection:
        answer = receive_all(connection)  # ends: the connection is closed
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert service.services.uploads.buffered_bytes == 0


@pytest.mark.parametrize("head", [b"", b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Slow: "])
def test_a_slow_head_is_cut_off(service: Running, monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(http_connection, "HEAD_TIMEOUT_S", 0.2)
    whole = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    for before in (b"", whole):  # as the first request of a connection, and as the second
        with service.raw(before + head) as connection:
            assert receive_all(connection).count(b"HTTP/1.1 200 OK") == bool(before)  # ends: it is closed


def test_an_endless_chunked_body_is_cut_off(start: Start, publish_in) -> None:
    publish_in()
    service = start(max_body_bytes=100_000)
    chunk = b"%x\r\n" % 50_000 + b"a" * 50_000 + b"\r\n"
    with service.raw(b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n") as connection:
        until = time.monotonic() + 30  # it is read for a second more, so how much goes through depends on the machine
        with contextlib.suppress(OSError):
            while time.monotonic() < until:
                connection.sendall(chunk)
        assert time.monotonic() < until
    assert service.services.uploads.buffered_bytes == 0
    assert ask(service) == 200


def test_bodies_held_at_one_time_are_bounded(start: Start, publish_in) -> None:
    publish_in()
    service = start(max_buffered_bytes=1000, upload_timeout_s=60)
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n"
    with service.raw(head + b"a" * 890):
        service.wait_for(lambda: service.services.uploads.buffered_bytes == 890, "the first upload's bytes")
        response = service.client.post("/predict", content=b"a" * 200)
        assert response.status_code == 429
        assert "retry-after" in response.headers
    service.wait_for(lambda: service.services.uploads.buffered_bytes == 0, "the room given back")
    assert ask(service) == 200


def test_slow_uploads_make_room_for_others(start: Start, publish_in, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "HOLDS_S", 0.2)
    publish_in()
    service = start(max_buffered_bytes=10_000, upload_timeout_s=60)
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n"
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(service.raw(head + b"a" * 2490)) for _ in range(4)]
        small = stack.enter_context(service.raw(head.replace(b"3000", b"1500") + b"a" * 10))  # slow, too, but holds next to nothing
        service.wait_for(lambda: service.services.uploads.buffered_bytes == 9970, "a full buffer")
        time.sleep(0.3)
        assert ask(service) == 200  # all of whose bytes arrive at once
        answers = [receive_all(one) for one in held[:1]]
        assert answers[0].startswith(b"HTTP/1.1 408 ")
        assert b"this one was slow" in answers[0]
        assert service.services.uploads.buffered_bytes == 7480
        small.sendall(b"a" * 1490)
        assert small.recv(100).startswith(b"HTTP/1.1 415 ")
    service.wait_for(lambda: service.services.uploads.buffered_bytes == 0, "the room given back")


def test_many_rude_bytes_do_no_harm(service: Running) -> None:
    for rude in (b"\x00\xff" * 500, b"GET / HTTP/9.9\r\n\r\n", b"POST /predict HTTP/1.1\r\nContent-Length: -5\r\n\r\n", b"\r\n" * 100):
        with service.raw(rude) as connection:
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                connection.settimeout(5)
                receive_all(connection)
    before = time.monotonic()
    assert ask(service) == 200
    assert time.monotonic() - before < 30
