"""Traces by OpenTelemetry, sent as OTLP over HTTP. Imported only where `SEEDLINGS_OTEL` is on; all else its own `OTEL_…` variables set."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from models_store import __version__
from service.process import tracing

_CLOSE_S = 2.0  # for the last spans to be sent
_SERVER_ERROR = 500  # from which status on the service is to blame


class Tracing:
    """Makes the traces of one process and sends them, in batches, from a thread. A collector that does not answer delays nothing."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        set_by_variables = OTELResourceDetector().detect()
        named = Resource({"service.name": "seedlings", "service.version": __version__, "process.pid": os.getpid()})
        resource = Resource.create().merge(named).merge(set_by_variables)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("seedlings", __version__)

    @contextlib.contextmanager
    def request(self, method: str, path: str, headers: Mapping[str, Sequence[str]]) -> Iterator["Request"]:
        """The trace of a request: its caller's, where `traceparent` names one, else a new one. It is the current one in the block."""
        request = Request(self._tracer, method, path, headers)
        token = tracing.current.set(request)
        try:
            yield request
        finally:
            tracing.current.reset(token)
            request.end()

    def close(self) -> None:
        """Send what is left, for two seconds at most."""
        closing = threading.Thread(target=self._provider.shutdown, name="otel-close", daemon=True)
        closing.start()
        closing.join(_CLOSE_S)


class Request:
    """One request as a span; what it consists of are its children."""

    def __init__(self, tracer: trace.Tracer, method: str, path: str, headers: Mapping[str, Sequence[str]]) -> None:
        self._tracer, self._method = tracer, method
        self._epoch_ns = time.time_ns() - time.monotonic_ns()
        attributes = {"http.request.method": method, "url.path": path}
        self._span = tracer.start_span(method, propagate.extract(headers), SpanKind.SERVER, attributes)
        self._context = trace.set_span_in_context(self._span)

    @property
    def trace_id(self) -> str:
        """As it stands in `traceparent`."""
        return trace.format_trace_id(self._span.get_span_context().trace_id)

    @property
    def headers(self) -> dict[str, str]:
        """What the answer carries, so that its reader can go on with this trace, or find it."""
        carrier: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier, self._context)
        return carrier

    def child(self, name: str, started_s: float, ended_s: float, attributes: dict[str, str | int], error: str | None) -> None:
        """As `tracing.Trace` has it."""
        named = {f"seedlings.{key}": value for key, value in attributes.items()} | ({} if error is None else {"error.type": error})
        span = self._tracer.start_span(name, self._context, attributes=named, start_time=self._at_ns(started_s))
        if error is not None:
            span.set_status(Status(StatusCode.ERROR))
        span.end(self._at_ns(ended_s))

    def answered(self, route: str, status: int, **attributes: str) -> None:
        """What is known of the request once it was answered."""
        self._span.update_name(f"{self._method} {route}")
        self._span.set_attributes({"http.route": route, "http.response.status_code": status})
        self._span.set_attributes({f"seedlings.{name}": value for name, value in attributes.items()})
        if status >= _SERVER_ERROR:
            self._span.set_attribute("error.type", str(status))
            self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """The request is over."""
        self._span.end()

    def _at_ns(self, monotonic_s: float) -> int:
        return self._epoch_ns + round(monotonic_s * 1e9)
