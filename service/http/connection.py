"""The server's HTTP protocol, with bounds on what one client can make it hold or wait for.

uvicorn bounds idle connections, and `uploads` bounds bodies. This module bounds the rest: the head of a request, the framing of a
body, requests sent ahead of their answers, answers that are not read, and the number of connections.
"""

import asyncio
import heapq
import json
import socket
import time
from collections.abc import Callable
from http import HTTPStatus

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.errors import PROBLEM_TYPE, HeadTooLarge, MalformedRequest, ServiceError, problem
from service.http.pacing import Pacer

HEAD_TIMEOUT_S = 10.0  # for a head to arrive
ANSWER_TIMEOUT_S = 30.0  # for an answer to be read
MAX_HEAD_BYTES = 32 * 2**10
MAX_HEADERS = 100
MAX_FRAMING_BYTES = 256 * 2**10  # of a body: sizes of chunks, their extensions, trailers
MAX_PIPELINED = 8  # requests of one connection that wait for the answer of an earlier one
MAX_CONNECTIONS = 512  # of one process; beyond, whoever has kept it waiting longest has to go; for moments an eighth more
_EVICTED = 32  # connections at a time
SPARED_S = 1.0  # before a connection may have to go, whoever just came has this long to begin, and an answer to be read
_PIECE_BYTES = 16 * 2**10  # parsed between two looks at the bounds
_PROBE, _START_BYTES = b"/health", 64  # what probes have in their first line
_READ_AT_ONCE = 8  # pieces, in one round of the event loop: a millisecond or two
_LINGER_S = 1.0  # a refused request is read and dropped this long, so that its sender gets to see the answer
_LOOK_S = 0.5  # between two looks at a client that sends no more
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_OF_UPGRADES = (b"upgrade", b"http2-settings")  # headers, and what `Connection` says of them


SHARED = "connections"  # the name in the state of the application's lifespan under which connections find their `SharedState`
REFUSAL = "refusal"  # in the state of one request: the error that was answered here while the application was at it


class SharedState:
    """What all connections of a server have in common.

    `report` is called with why a request was turned away here, its status (None: it got no answer), and the seconds since its
    connection began to wait for it. `max_connections` may be open at a time; None: the usual number.
    """

    def __init__(self, report: Callable[[str, int | None, float], None], max_connections: int | None = None) -> None:
        self.report, self.max_connections = report, max_connections
        self.probes, self.heads, self.bodies = (Pacer(_READ_AT_ONCE) for _ in range(3))  # none of these waits for another kind
        self.buffer = memoryview(bytearray(_PIECE_BYTES))  # where the next piece arrives, whosever it is


class _PacedReads(asyncio.BufferedProtocol):
    """Stands between a connection and its transport: what arrives does so in small pieces, and these are read in turn."""

    def __init__(self, connection: "Connection", shared: SharedState) -> None:
        self._connection, self._shared = connection, shared
        self.unread: list[bytes] = []  # more than one piece only where uvicorn asks for more meanwhile
        self.pause_writing, self.resume_writing = connection.pause_writing, connection.resume_writing  # type: ignore[method-assign]
        self.eof_received, self.connection_lost = connection.eof_received, connection.connection_lost  # type: ignore[method-assign]

    def get_buffer(self, _: int) -> memoryview:
        """Where the next piece may arrive."""
        return self._shared.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """A piece has arrived. It is read when it is this connection's turn; until then no other one arrives."""
        piece = bytes(self._shared.buffer[:nbytes])
        self.unread.append(piece)
        if not self._connection.in_head:
            pacer = self._shared.bodies
        else:
            pacer = self._shared.probes if _PROBE in piece[:_START_BYTES] else self._shared.heads
        if len(self.unread) > 1 or not pacer.ask(self._read):
            self._connection.transport.pause_reading()

    def _read(self) -> None:
        data = b"".join(self.unread)
        self.unread.clear()
        connection = self._connection
        if connection.transport.is_closing():
            return
        connection.data_received(data)
        if not connection.flow.read_paused and not connection.transport.is_closing():
            connection.transport.resume_reading()


class Connection(HttpToolsProtocol):
    """One connection of a client."""

    _shared: SharedState
    _head_timer: asyncio.TimerHandle | None = None
    _answer_timer: asyncio.TimerHandle | None = None
    _refusal: ServiceError | None = None
    in_head = True  # what comes next belongs to the head of a request
    _overhead_bytes = 0  # of the request that arrives now: all that is not body
    _plain_head = b""  # of the request whose head was just read and asks for another protocol: the same without asking for it
    waiting_since_s = 0.0  # monotonic
    _spared_from_s = 0.0  # monotonic: since it came, or since its last answer

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Starts the clock for the first request, and makes room where there are too many connections."""
        super().connection_made(transport)
        self._shared = self.app_state[SHARED]
        self._spared_from_s = time.monotonic()
        self._pieces = _PacedReads(self, self._shared)
        transport.set_protocol(self._pieces)
        self._start_head()
        if len(self.connections) > (self._shared.max_connections or MAX_CONNECTIONS):
            self._make_room()

    @property
    def waits_for_client(self) -> bool:
        """Whether it is the client's turn: a request has not arrived whole, or its answer is not read."""
        if self._pieces.unread:
            return False
        return self.cycle is None or self.cycle.response_complete or self.cycle.more_body

    @property
    def _begun(self) -> bool:
        """Whether a part of a request is there, and the rest is not."""
        return self._overhead_bytes != 0 or not self.in_head

    def data_received(self, data: bytes) -> None:
        """Parses in pieces, and refuses a request once more bytes of it than allowed are not body."""
        if self.in_head and self._head_timer is None:
            self._start_head()
        if not self.transport.get_write_buffer_size():
            self._stop_answer()
        for start in range(0, len(data), _PIECE_BYTES):
            if self._refusal is not None or self.transport.is_closing():
                return
            piece = data[start : start + _PIECE_BYTES]
            self._overhead_bytes += len(piece)
            self._parse(piece)
            if self.in_head and self._overhead_bytes > MAX_HEAD_BYTES:
                self._refuse(_head_too_large())
            elif self._overhead_bytes > MAX_HEAD_BYTES + MAX_FRAMING_BYTES:
                self._refuse(MalformedRequest(f"more than {MAX_FRAMING_BYTES} bytes frame the body; send it in larger chunks"))

    def _parse(self, data: bytes) -> None:
        """Hands bytes to the parser.

        A request that asks for another protocol, as Java's client and curl do for HTTP/2, is answered in this one (RFC 9110, 7.8).
        The parser would end there, lose the body, and take what comes of it later for the next request.
        """
        self._unset_keepalive_if_required()
        while data:
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as end:
                data, self._plain_head = self._plain_head + data[end.args[0] :], b""
            except httptools.HttpParserError:
                self.send_400_response("this is no HTTP that is read here")
                return

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio's own meaning: whether the connection stays open
        """A client that sends no more may still read: it gets its answer, unless it turns out to be gone."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body or self._refusal is not None:
            return False
        cycle.keep_alive = False
        self.loop.call_later(_LOOK_S, self._look_for_client, True)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clocks."""
        self._stop_head()
        self._stop_answer()
        super().connection_lost(exc)

    # ---- what the parser calls --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Starts the clock and the count for the next request."""
        super().on_message_begin()
        self.in_head, self._overhead_bytes = True, 0
        self._start_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Counts headers. Those that follow a body are dropped: nobody here asks for them."""
        if not self.in_head:
            return
        if len(self.headers) >= MAX_HEADERS:
            raise self._refused(HeadTooLarge(f"the request has more than {MAX_HEADERS} headers"))
        if name.lower() == b"transfer-encoding" and value.strip().lower() != b"chunked":
            raise self._refused(MalformedRequest("of transfer encodings only 'chunked' is read here; say gzip by Content-Encoding"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there. It is counted once more: it may end, or begin, within a piece."""
        if len(self.url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers) > MAX_HEAD_BYTES:
            raise self._refused(_head_too_large())
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise self._refused(MalformedRequest("CONNECT is for proxies, and this is none"))
            self._plain_head = self._without_upgrade()
            return
        if len(self.pipeline) >= MAX_PIPELINED:
            raise self._refused(MalformedRequest(f"more than {MAX_PIPELINED} requests were sent ahead of their answers"))
        self._stop_head()
        self.in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Takes the body out of the count."""
        self._overhead_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request is there."""
        if self._plain_head:
            return
        super().on_message_complete()
        self.in_head, self._overhead_bytes = True, 0
        self.waiting_since_s = time.monotonic()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn does when the parser gives up."""
        self._refuse(self._refusal or MalformedRequest(msg))

    # ---- answers ----------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """Starts the clock of a client that does not read."""
        super().pause_writing()
        self._start_answer()

    def resume_writing(self) -> None:
        """It reads."""
        self._stop_answer()
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Gives the client its time to read what it has not read yet."""
        super().on_response_complete()
        self._spared_from_s = time.monotonic()
        if self.transport.get_write_buffer_size():
            self._start_answer()

    # ---- within -----------------------------------------------------------------------------------------------------

    def _without_upgrade(self) -> bytes:
        """The head that was read, without what asks for another protocol."""
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        for name, value in self.headers:
            if name == b"connection":
                value = b",".join(token for token in value.split(b",") if token.strip().lower() not in _OF_UPGRADES)
            if name not in _OF_UPGRADES:
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join([*lines, b"", b""])

    def _make_room(self) -> None:
        open_ones = [one for one in self.connections if isinstance(one, Connection) and not one.transport.is_closing()]
        most = self._shared.max_connections or MAX_CONNECTIONS
        if len(open_ones) > most:
            waiting = [one for one in open_ones if one.waits_for_client]
            # In a flood few of those that are open wait for their clients, and a probe that just came or was answered is one of them.
            spared_s = time.monotonic() - SPARED_S
            late = [one for one in waiting if one._begun or one._spared_from_s < spared_s]
            eighth = max(1, most // 8)
            if not late and len(open_ones) <= most + eighth:  # so many more may stay until somebody is late
                return
            count = min(_EVICTED, eighth)  # some at once: a look at all is dear; but not those that just came
            for one in heapq.nsmallest(count, late or waiting, key=lambda one: one.waiting_since_s):
                one.transport.abort()
                one._report("too-many-connections")

    def _start_head(self) -> None:
        self._stop_head()
        self.waiting_since_s = time.monotonic()
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self._head_is_late)

    def _stop_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
            if self._overhead_bytes:  # else it is a connection kept for later
                self._report("slow-head")
        else:  # the answer of an earlier request comes first
            self.cycle.keep_alive = False

    def _start_answer(self) -> None:
        if self._answer_timer is None:
            self._answer_timer = self.loop.call_later(ANSWER_TIMEOUT_S, self._answer_is_unread)

    def _stop_answer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _answer_is_unread(self) -> None:
        self._answer_timer = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()  # closing would wait for the client to read
            self._report("unread-answer")

    def _report(self, reason: str, status: int | None = None) -> None:
        self._shared.report(reason, status, time.monotonic() - self.waiting_since_s)

    def _refused(self, error: ServiceError) -> ServiceError:
        self._refusal = error
        return error  # for the parser, which ends and has `send_400_response` called

    def _refuse(self, error: ServiceError) -> None:
        """Answer what is wrong, if it is this request's turn; then read no more and close."""
        self._refusal = error
        self._stop_head()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self.in_head or cycle.response_started or self.pipeline:
                if self.in_head:  # of a later request: those before it get their answers
                    cycle.keep_alive = False
                else:
                    self.transport.close()
                self._report(error.slug)
                return
            cycle.scope["state"][REFUSAL] = error  # the application counts it
            cycle.disconnected = True
            cycle.message_event.set()
        else:
            self._report(error.slug, error.status)
        content = json.dumps(problem(error)).encode()
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\ncontent-type: {PROBLEM_TYPE}\r\n"
            f"content-length: {len(content)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + content)
        self.loop.call_later(_LINGER_S, self.transport.close)

    def _look_for_client(self, ask: bool) -> None:
        """Find out whether a client that sends no more is there to read.

        To send it something is the only way: the network answers for one that is gone. An interim answer is what every
        client of HTTP/1.1 passes over.
        """
        cycle = self.cycle
        if self.transport.is_closing() or cycle.response_complete:
            return
        if self.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
            return
        if ask and not cycle.response_started and not self.pipeline and cycle.scope["http_version"] == "1.1":
            self.transport.write(_CONTINUE)
        self.loop.call_later(_LOOK_S, self._look_for_client, False)


def _head_too_large() -> HeadTooLarge:
    return HeadTooLarge(f"the head of the request is longer than {MAX_HEAD_BYTES} bytes")
