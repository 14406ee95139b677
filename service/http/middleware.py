"""Around every request: one spelling of what it asks for, its id, its place in the count, its line in the log, its share in the metrics."""

import asyncio
import contextlib
import logging
import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import CallerGone, NotReady, defect, problem
from service.http.auth import name_of_key
from service.http.connection import REFUSAL
from service.http.error_response import error_response
from service.http.pacing import Pacer
from service.http.routes import page
from service.process import logs
from service.process.metrics import UNMATCHED, Metrics
from service.process.shutdown import Shutdown

if TYPE_CHECKING:
    from service.process.otel import Request as Traced
    from service.process.otel import Tracing

log = logging.getLogger("service.access")
_REQUEST_ID = "X-Request-ID"
_PROBES = ("/health", "/v2/health")  # these wait for none but their own kind, and would drown the log
_LINGER_S = 1.0  # the rest of a refused upload is read and dropped this long


class Observe:
    """ASGI middleware. Whatever a route raises ends here, as an error without a traceback."""

    def __init__(self, app: ASGIApp, shutdown: Shutdown, metrics: Metrics, root_path: str, tracing: "Tracing | None" = None) -> None:
        self._app, self._shutdown, self._metrics, self._root_path = app, shutdown, metrics, root_path
        self._tracing = tracing
        self._begin, self._begin_probe, self._end = Pacer(), Pacer(), Pacer()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked = _in_one_spelling(scope, self._root_path)
        if self._tracing is None or asked["path"].startswith(_PROBES):
            await self._observe(scope, asked, receive, send, None)
            return
        headers = Headers(scope=scope)
        with self._tracing.request(asked["method"], scope["path"], {name: headers.getlist(name) for name in set(headers)}) as traced:
            await self._observe(scope, asked, receive, send, traced)

    async def _observe(self, scope: Scope, asked: Scope, receive: Receive, send: Send, traced: "Traced | None") -> None:
        started = time.monotonic()
        request_id = logs.accept_id(Headers(scope=scope).get(_REQUEST_ID))
        token = logs.request_id.set(request_id)
        status: int | None = None
        arriving = "expect" not in Headers(scope=scope)  # the body; one that waits to be asked for never comes to a refusal

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[_REQUEST_ID] = request_id
                headers.update({} if traced is None else traced.headers)
            elif arriving and status is not None and status >= HTTPStatus.BAD_REQUEST and not message.get("more_body"):
                # At the end of an answer the server closes a connection that is not kept; what then still arrives would lose the answer.
                await send({**message, "more_body": True})
                await _drop_rest(receive)
                message = {"type": "http.response.body"}
            await send(message)

        async def receive_in_turn() -> Message:
            nonlocal arriving
            message = await receive()
            arriving = arriving and message.get("more_body", False)
            if message["type"] == "http.disconnect":
                await self._end.next()
            return message

        try:
            with self._shutdown.request():
                await (self._begin_probe if asked["path"].startswith(_PROBES) else self._begin).next()
                try:
                    await self._app(asked, receive_in_turn, send_with_id)
                except asyncio.CancelledError:  # by the server, once the grace of a shutdown is over
                    if status is not None or not self._shutdown.draining:
                        raise
                    ended = NotReady("the service is shutting down; ask another one", retry_after_s=1)
                    self._metrics.rejected(ended.slug)
                    await error_response(asked["path"], problem(ended), ended.headers)(scope, receive, send_with_id)
                except Exception:
                    log.exception("a defect of this service")
                    if status is None:
                        await error_response(asked["path"], problem(defect()))(scope, receive, send_with_id)
            self._report(scope, asked, status if status is not None else CallerGone.status, time.monotonic() - started, traced)
        finally:
            logs.request_id.reset(token)

    def _report(self, scope: Scope, asked: Scope, status: int, total_s: float, traced: "Traced | None") -> None:
        route = getattr(asked.get("route"), "path", UNMATCHED)  # the template, so that callers cannot make up labels
        refusal = scope.get("state", {}).get(REFUSAL)
        status = refusal.status if refusal else status  # the server answered, while the application took the client for gone
        key = name_of_key(asked)
        self._metrics.request(route, status, total_s, key)
        if traced is not None:
            traced.answered(route, status, request_id=str(logs.request_id.get()), **({} if key is None else {"key": key}))
        level = logging.DEBUG if route.startswith(_PROBES) else logging.INFO
        if log.isEnabledFor(level):
            fields = {"method": scope["method"], "path": scope["path"][:200], "status": status, "total_ms": round(total_s * 1e3, 1)}
            if key is not None:
                fields["key"] = key
            if traced is not None:
                fields["trace_id"] = traced.trace_id
            log.log(level, _phrase(status), extra={"fields": fields})


def _in_one_spelling(scope: Scope, root_path: str) -> Scope:
    """The same request without a proxy's prefix and a slash at its end, and GET for HEAD, whose answer the server sends without its body.

    A redirect instead would lose a body, and behind a prefix it would lead to a wrong place.
    """
    path: str = scope["path"]
    if root_path and path.startswith(f"{root_path}/"):
        path = path[len(root_path) :]
    if len(path) > 1 and path.endswith("/") and path not in page.FOLDERS:
        path = path[:-1]
    return {**scope, "path": path, "method": "GET" if scope["method"] == "HEAD" else scope["method"]}


async def _drop_rest(receive: Receive) -> None:
    """Read on for a while without keeping anything."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while (await receive()).get("more_body"):
                pass


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return CallerGone.title
