"""Traces: what a request's time went into, taken from and given to others, and sent to a real collector's door."""

import http.server
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from service.process.otel import Tracing
from service.settings import BadSetting, Settings, from_environment
from tests import fakes
from tests.service.conftest import serve

ROOT = Path(__file__).parents[3]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GIVEN = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    fakes.publish(tmp_path)
    fakes.publish_segmenter(tmp_path)
    return Settings(store=tmp_path, threads=1, max_batch=4, runtime="torchscript")


def test_what_requests_consist_of(settings: Settings) -> None:
    exporter = InMemorySpanExporter()
    with serve(settings, Tracing(exporter)) as service:
        service.wait_ready()
        service.wait_for(lambda: service.services.segmenters.current, "a segmenter")
        answer = service.client.post("/predict", content=fakes.image(), headers=GIVEN | {"X-Request-ID": "mine"})
        service.client.post("/predict/batch", files=[("files", fakes.image())] * 2)
        service.client.post("/detect", content=fakes.encoded(fakes.field([(100, 100, 30)], centres=True)))
        service.client.post("/predict", content=b"no image")
        service.client.get("/nothing/of/a/caller")
        service.client.post("/predict", content=fakes.image(), headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})  # not to be sampled
        for headers in ({"traceparent": "00-bad"}, {}):
            given = service.client.get("/species", headers=headers).headers["traceparent"]
            assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]", given)
            assert TRACE not in given
    spans = exporter.get_finished_spans()  # the service has sent them all before it ended
    roots = [span for span in spans if span.kind is SpanKind.SERVER]
    assert [span.name for span in roots] == [
        *("POST /predict", "POST /predict/batch", "POST /detect", "POST /predict", "GET unmatched", "GET /species", "GET /species"),
    ]

    def children(root: ReadableSpan) -> list[ReadableSpan]:
        return [span for span in spans if span.parent is not None and span.parent.span_id == root.context.span_id]

    first = roots[0]
    assert first.parent is not None
    assert (f"{first.context.trace_id:032x}", f"{first.parent.span_id:016x}") == (TRACE, PARENT)
    assert answer.headers["traceparent"] == f"00-{TRACE}-{first.context.span_id:016x}-01"
    assert answer.headers["tracestate"] == "vendor=1"
    assert first.attributes is not None
    expected = {"http.request.method": "POST", "http.route": "/predict", "http.response.status_code": 200, "seedlings.request_id": "mine"}
    assert expected.items() <= dict(first.attributes).items()
    assert first.resource.attributes["service.name"] == "seedlings"
    parts = children(first)
    assert [span.name for span in parts] == ["decode", "queue", "inference"]
    times = [time for span in parts for time in (span.start_time, span.end_time)]
    assert times == sorted(times)
    assert first.start_time <= times[0]
    assert times[-1] <= first.end_time
    inference = dict(parts[2].attributes or {})
    assert inference == {"seedlings.network": "classifier", "seedlings.batch_size": 1}
    assert sorted(span.name for span in children(roots[1])) == ["decode"] * 2 + ["inference"] * 2 + ["queue"] * 2
    of_detect = [(span.name, (span.attributes or {}).get("seedlings.network")) for span in children(roots[2])]
    assert of_detect == [
        *(("decode", None), ("queue", "segmenter"), ("inference", "segmenter"), ("queue", "classifier"), ("inference", "classifier")),
    ]
    (decode,) = children(roots[3])
    assert (decode.name, decode.status.status_code, decode.attributes) == ("decode", StatusCode.ERROR, {"error.type": "UnsupportedImage"})
    assert "caller" not in roots[4].name


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes what an OTLP exporter sends."""

    received: list[tuple[str, str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.received.append((self.path, self.headers["Content-Type"], body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    handler = type("Handler", (Collector,), {"received": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", handler.received  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def test_a_collector_gets_them(
    settings: Settings, collector: tuple[str, list[tuple[str, str, bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, received = collector
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "greenhouse")
    with serve(settings.model_copy(update={"otel": True})) as service:
        service.wait_ready()
        service.client.post("/predict", content=fakes.image(), headers=GIVEN)
    ((path, kind, body),) = received
    assert (path, kind) == ("/v1/traces", "application/x-protobuf")
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert "greenhouse" in [value.value.string_value for value in resource.resource.attributes if value.key == "service.name"]
    spans = [span for scope in resource.scope_spans for span in scope.spans]
    assert sorted(span.name for span in spans) == ["POST /predict", "decode", "inference", "queue"]
    assert {span.trace_id.hex() for span in spans} == {TRACE}


def test_without_a_collector_answers_go_on(settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")  # given up before the service ends, not while another test runs
    with serve(settings.model_copy(update={"otel": True})) as service:
        service.wait_ready()
        assert service.client.post("/predict", content=fakes.image()).status_code == 200
    assert "Failed to export" in caplog.text  # whoever runs it is told


def test_settings_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    assert from_environment({"SEEDLINGS_OTEL": "1", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}).otel
    for name, value in (("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_BSP_SCHEDULE_DELAY", "soon")):
        assert not from_environment({name: value}).otel
        with pytest.raises(BadSetting, match=name):
            from_environment({"SEEDLINGS_OTEL": "1", name: value})
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    with pytest.raises(BadSetting, match=r"SEEDLINGS_OTEL needs .*: .* -m pip install 'seedlings\[otel\]'"):
        from_environment({"SEEDLINGS_OTEL": "1"})


def test_where_it_is_off_nothing_is_imported() -> None:
    code = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter")):  # FastAPI imports the rest, which does nothing by itself
            raise AssertionError(f"{name} is imported")
sys.meta_path.insert(0, Missing())
from service.app import create_app
from service.settings import from_environment
create_app(from_environment({"OTEL_SERVICE_NAME": "greenhouse"}))
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True)
    assert (ran.returncode, ran.stderr) == (0, "")
