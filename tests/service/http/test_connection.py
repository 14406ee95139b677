"""What one connection can make the service hold or wait for: heads, framing, pipelines, unread answers, half-closed clients."""

import contextlib
import logging
import socket
import threading
import time

import httpx
import pytest

from benchmarks import hostile_requests
from service.http import connection as bounds
from tests import fakes
from tests.service.conftest import Running, Start

GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"


def received(connection: socket.socket, limit_s: float = 30.0) -> bytes:
    """All that comes until the service closes."""
    connection.settimeout(limit_s)
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def asked(service: Running, *pieces: bytes) -> bytes:
    """What comes for these bytes."""
    with service.raw(b"") as connection:
        with contextlib.suppress(OSError):  # refused while we send
            for piece in pieces:
                connection.sendall(piece)
        return received(connection)


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(list(hostile_requests.head(2**20, 2**16)), id="headers of 64 KiB"),
        pytest.param([hostile_requests.many_headers(bounds.MAX_HEADERS + 1)], id="one header too many"),
        pytest.param([hostile_requests.long_path()], id="a path of a megabyte"),
    ],
)
def test_a_large_head_is_431(service: Running, pieces: list[bytes]) -> None:
    answer = asked(service, *pieces)
    assert b" 431 " in answer
    assert b"content-type: application/problem+json" in answer
    assert b"urn:seedlings:head-too-large" in answer
    assert service.client.get("/health").status_code == 200


def head(n_bytes: int) -> bytes:
    """The head of a good request, so many bytes long."""
    start = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
    left = n_bytes - len(start) - 2
    lines = [b"x-%d: " % index for index in range(4)]
    lengths = [left // 4 + (index < left % 4) - len(line) - 2 for index, line in enumerate(lines)]
    return start + b"".join(line + b"a" * length + b"\r\n" for line, length in zip(lines, lengths, strict=True)) + b"\r\n"


@pytest.mark.parametrize("before", [b"", GET], ids=["first", "sent behind another one"])
def test_a_head_a_little_too_large_is_refused_though_it_ends_within_a_piece(service: Running, before: bytes) -> None:
    assert len(head(40_000)) == 40_000
    answer = asked(service, before + head(40_000))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 200 " if before else b"HTTP/1.1 431 ")  # behind another one it ends the connection
    assert b" 431 " in asked(service, head(bounds.MAX_HEAD_BYTES + 64))
    with service.raw(before + head(bounds.MAX_HEAD_BYTES)) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_request_before_a_bad_one_gets_its_answer(service: Running) -> None:
    answer = asked(service, GET + hostile_requests.long_path())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_head_within_the_bounds_is_read(service: Running) -> None:
    headers = {f"x-{index}": "a" * 250 for index in range(bounds.MAX_HEADERS - 10)}
    assert service.client.get("/health/live", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "make", [hostile_requests.chunk_extensions, hostile_requests.small_chunks, hostile_requests.trailers], ids=lambda make: make.__name__
)
def test_what_frames_a_body_is_bounded(service: Running, make) -> None:
    answer = asked(service, *make())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"frame the body" in answer
    assert service.services.uploads.buffered_bytes == 0


def test_what_a_connection_refuses_is_counted(own_service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "HEAD_TIMEOUT_S", 0.2)
    asked(own_service, hostile_requests.long_path())
    asked(own_service, b"no HTTP\r\n\r\n")
    asked(own_service, *hostile_requests.chunk_extensions(1))
    asked(own_service, b"GET / HTTP/1.1\r\nX-Slow: ")
    asked(own_service, b"")  # said nothing, and is no request
    monkeypatch.setattr(bounds, "MAX_CONNECTIONS", 2)
    with contextlib.ExitStack() as stack:
        for _ in range(9):
            stack.enter_context(own_service.raw(b""))
        # Not over HTTP: by these bounds a request of a busy machine may be late, or one too many.
        own_service.wait_for(lambda: b"too-many-connections" in own_service.services.metrics.render(0), "a count")
    text = own_service.services.metrics.render(0).decode()
    for line in (
        'seedlings_requests_total{route="unmatched",status="431"} 1.0',
        'seedlings_requests_total{route="unmatched",status="400"} 1.0',
        'seedlings_requests_total{route="/predict",status="400"} 1.0',
        'seedlings_rejected_total{reason="head-too-large"} 1.0',
        'seedlings_rejected_total{reason="malformed-request"} 2.0',
        'seedlings_rejected_total{reason="slow-head"} 1.0',
    ):
        assert line in text
    assert "caller-gone" not in text


def test_trailers_are_no_headers(service: Running) -> None:
    body = fakes.image()
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = asked(service, head + b"%x\r\n" % len(body) + body + b"\r\n0\r\nX-Request-ID: forged\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"forged" not in answer


def test_requests_sent_ahead_are_answered_up_to_a_number(service: Running) -> None:
    within = asked(service, GET * (bounds.MAX_PIPELINED - 1) + GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert within.count(b"HTTP/1.1 200 ") == bounds.MAX_PIPELINED
    beyond = asked(service, GET * 1000)  # closes, having answered those before
    assert beyond.count(b"HTTP/1.1 200 ") == bounds.MAX_PIPELINED + 1


def test_no_http_is_a_problem(service: Running) -> None:
    answer = asked(service, b"\x16\x03\x01 hello\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"urn:seedlings:malformed-request" in answer


def test_an_answer_that_is_not_read_ends_the_connection(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "ANSWER_TIMEOUT_S", 0.2)
    monkeypatch.setattr(bounds, "MAX_PIPELINED", 1000)
    open_before = len(service.server.server_state.connections)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", service.port))
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 200)  # more than the buffers on the way hold
        service.wait_for(lambda: len(service.server.server_state.connections) > open_before, "the connection")
        service.wait_for(lambda: len(service.server.server_state.connections) <= open_before, "the end of the connection")
    assert service.client.get("/health").status_code == 200  # others go on being answered


def closed(client: socket.socket) -> bool:
    """Whether the server has closed or reset it."""
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def test_the_longest_waiting_goes_where_there_are_too_many(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_CONNECTIONS", 20)
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(service.raw(b"")) for _ in range(40)]
        time.sleep(1)  # until all are accepted: in which order is chance, and the probe is to come after them
        assert httpx.get(f"http://127.0.0.1:{service.port}/health").status_code == 200
        assert 20 <= sum(closed(one) for one in silent) < 40


@pytest.mark.parametrize("first", [b"", GET], ids=["just came", "just answered"])
def test_a_probe_stays_in_a_crowd(service: Running, monkeypatch: pytest.MonkeyPatch, first: bytes) -> None:
    monkeypatch.setattr(bounds, "MAX_CONNECTIONS", 20)
    monkeypatch.setattr(bounds, "SPARED_S", 60.0)
    with service.raw(first) as probe, contextlib.ExitStack() as stack:
        probe.settimeout(60)
        while first and b"true" not in (answer := probe.recv(4096)):
            assert answer
        half = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx"
        crowd = [stack.enter_context(service.raw(half)) for _ in range(18)]  # all of them have waited for less long
        time.sleep(0.5)  # until what they sent is read: until then they just came, too
        crowd += [stack.enter_context(service.raw(half)) for _ in range(12)]
        service.wait_for(lambda: sum(map(closed, crowd)) >= 8, "room made")
        probe.sendall(GET)
        assert probe.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_where_all_just_came_an_eighth_more_may_stay(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MAX_CONNECTIONS", 16)
    monkeypatch.setattr(bounds, "SPARED_S", 60.0)
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(service.raw(b"")) for _ in range(18)]
        service.wait_for(lambda: len(service.server.server_state.connections) == 18, "all connections")
        assert not any(map(closed, silent))
        silent += [stack.enter_context(service.raw(b"")) for _ in range(3)]
        service.wait_for(lambda: sum(map(closed, silent)) >= 1, "room made")
        assert len(service.server.server_state.connections) <= 18


def test_a_probe_does_not_wait_for_the_crowd_before_it(service: Running, caplog: pytest.LogCaptureFixture) -> None:
    loop = service.server.servers[0].get_loop()
    held, go_on = threading.Event(), threading.Event()
    with contextlib.ExitStack() as stack, caplog.at_level(logging.DEBUG, "service.access"):
        clients = [stack.enter_context(service.raw(b"")) for _ in range(200)]
        service.wait_for(lambda: len(service.server.server_state.connections) >= len(clients), "all connections")
        loop.call_soon_threadsafe(lambda: (held.set(), go_on.wait(60)))
        assert held.wait(60)
        for client in clients[:-1]:
            client.sendall(b"GET /species HTTP/1.1\r\nHost: x\r\n\r\n")
        clients[-1].sendall(GET)
        go_on.set()
        for client in clients:
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        asked_for = [record.fields["path"] for record in caplog.records if record.name == "service.access"]  # type: ignore[attr-defined]
    assert asked_for.index("/health/live") < 40


def test_a_flood_of_bodies_is_read_by_turns(start: Start, publish_in) -> None:
    publish_in()
    service = start(max_body_bytes=300_000)
    body = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 250001\r\n\r\n" + bytes(250_000)
    with contextlib.ExitStack() as stack:
        senders = [stack.enter_context(service.raw(body)) for _ in range(30)]
        service.wait_for(lambda: service.services.uploads.buffered_bytes == 30 * 250_000, "all that was sent")
        assert service.client.get("/health/live").status_code == 200
        for sender in senders:
            sender.sendall(b"x")
            assert sender.recv(100).startswith(b"HTTP/1.1 415 ")
    service.wait_for(lambda: service.services.uploads.buffered_bytes == 0, "the room given back")


def test_a_half_closed_client_gets_its_answer(start: Start, publish_in) -> None:
    publish_in(fakes.Slow)
    service = start(max_batch=1)
    body = fakes.image()
    request = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(service.raw(request)) for _ in range(12)]
        for client in clients:
            client.shutdown(socket.SHUT_WR)
        answers = [received(client) for client in clients]
    for answer in answers:
        interim, _, final = answer.rpartition(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert interim == b""
        assert final.startswith(b"HTTP/1.1 200 ")


def test_a_client_that_closed_is_noticed(start: Start, publish_in) -> None:
    publish_in(fakes.Slow)
    service = start(max_batch=1)
    body = fakes.image()
    request = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(service.raw(request))
        service.wait_for(lambda: service.client.get("/health").json()["queued"] >= 20, "a queue")
    service.wait_for(lambda: service.client.get("/health").json()["queued"] == 0, "an empty queue")
    metrics = service.client.get("/metrics").text
    run = sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("seedlings_batch_size_sum"))
    assert run < 40  # closed in good manners, and some were never run all the same


def test_a_half_sent_request_ends_with_its_client(service: Running) -> None:
    with service.raw(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc") as connection:
        connection.shutdown(socket.SHUT_WR)
        assert received(connection) == b""


UPGRADE = b"Connection: keep-alive, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"  # as Java and curl send it


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("apart", [False, True], ids=["in one piece", "head and body apart"])
def test_a_request_that_asks_for_another_protocol_is_answered_in_this_one(service: Running, chunked: bool, apart: bool) -> None:
    image = fakes.image()
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(image), image) if chunked else image
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(image)
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n" + UPGRADE + length + b"\r\n\r\n"
    with service.raw(head) as connection:
        if apart:
            time.sleep(0.1)
        connection.sendall(body + GET[:-2] + UPGRADE + b"\r\n" + GET[:-2] + b"Connection: close\r\n\r\n")
        answer = received(connection)
    assert [part[:5] for part in answer.split(b"HTTP/1.1")[1:]] == [b" 200 "] * 3
    assert b'"species":"Maize"' in answer


def test_a_body_behind_an_upgrade_is_no_request(service: Running) -> None:
    smuggled = b"GET /species HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\n" + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(smuggled)
    with service.raw(head) as connection:
        time.sleep(0.1)
        connection.sendall(smuggled)
        connection.shutdown(socket.SHUT_WR)
        answer = received(connection)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert answer.startswith(b"HTTP/1.1 415 ")


@pytest.mark.parametrize(
    ("request_line", "said"),
    [
        (b"CONNECT x:80 HTTP/1.1\r\nHost: x", b"CONNECT is for proxies"),
        (b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked", b"transfer encodings"),
        (b"NONSENSE / HTTP/1.1\r\nHost: x", b"no HTTP"),
    ],
)
def test_what_is_not_read_here_is_told(service: Running, request_line: bytes, said: bytes) -> None:
    answer = asked(service, request_line + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert said in answer
