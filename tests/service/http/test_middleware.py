"""What is seen from outside: metrics, logs, request ids, timings."""

import asyncio
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.types import Message

from service.http.middleware import Observe
from service.process.metrics import Metrics
from service.process.shutdown import Shutdown
from tests import fakes
from tests.service.conftest import Running, Start


def test_metrics_count_what_happened(own_service: Running) -> None:
    service = own_service
    for _ in range(3):
        service.client.post("/predict", content=fakes.image())
    service.client.post("/predict", content=b"no image")
    service.client.get("/secret/path/of/a/caller")
    # A batch is counted once its answers are on their way.
    service.wait_for(lambda: "seedlings_inference_seconds_count 3.0" in service.client.get("/metrics").text, "three batches counted")
    response = service.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    for line in (
        'seedlings_requests_total{route="/predict",status="200"} 3.0',
        'seedlings_requests_total{route="/predict",status="415"} 1.0',
        'seedlings_requests_total{route="unmatched",status="404"} 1.0',
        'seedlings_rejected_total{reason="unsupported-image"} 1.0',
        'seedlings_predictions_total{species="Maize"} 3.0',
        'seedlings_model_version{model="seedlings"} 1.0',
        "seedlings_queue_length 0.0",
        "seedlings_batch_size_sum 3.0",
        "seedlings_decode_seconds_count 3.0",
        "seedlings_queue_seconds_count 3.0",
        "seedlings_inference_seconds_count 3.0",
        'seedlings_request_seconds_count{route="/predict"} 4.0',
    ):
        assert line in response.text
    assert "secret" not in response.text


def test_timings_travel_with_the_answer(service: Running) -> None:
    header = service.client.post("/predict", content=fakes.image()).headers["server-timing"]
    assert re.fullmatch(r"decode;dur=[\d.]+, queue;dur=[\d.]+, inference;dur=[\d.]+", header)


@pytest.mark.parametrize("path", ["/detect?min_side=-1", "/predict?top_k=0", "/nowhere"])
def test_a_long_upload_sees_its_refusal_where_its_connection_is_not_kept(service: Running, path: str) -> None:
    """As of Python's urllib, and of nginx unless it is told to keep connections."""
    length = 8 * 2**20
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    with service.raw(head.encode()) as connection:
        connection.sendall(bytes(length))
        answer = b"".join(iter(lambda: connection.recv(2**16), b""))
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 "))
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]


def test_request_ids_are_taken_or_given(service: Running) -> None:
    assert service.client.get("/health", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    given = {service.client.get("/health", headers={"X-Request-ID": bad}).headers["x-request-id"] for bad in ("", "a b", "x" * 200)}
    assert len(given) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in given)


def test_logs_tell_the_request_but_not_the_image(service: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        service.client.post("/predict?top_k=2", content=fakes.image(), headers={"X-Request-ID": "r-1"})
        service.client.get("/health")
        service.wait_for(lambda: [r for r in caplog.records if r.name == "service.access"], "the line")
    (record,) = [record for record in caplog.records if record.name == "service.access"]  # probes are not logged
    fields = record.fields  # type: ignore[attr-defined]
    assert (fields["method"], fields["path"], fields["status"]) == ("POST", "/predict", 200)
    assert "top_k" not in str(record.__dict__)
    assert "PNG" not in str(record.__dict__)


def test_a_defect_gives_a_problem_without_a_traceback(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("inner secret")

    monkeypatch.setattr(type(service.services.predictor), "check_room", broken)
    response = service.client.post("/predict", content=fakes.image())
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "x-request-id" in response.headers
    assert "secret" not in response.text
    protocol = service.client.post("/v2/models/seedlings/infer", json={})
    assert (protocol.status_code, protocol.json()) == (500, {"error": response.json()["detail"]})


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/page/app.js", "/openapi.json", "/health", "/health/live", "/health/ready", "/metrics", "/species", "/v2", "/no"],
)
def test_head_is_get_without_a_body(service: Running, path: str) -> None:
    asked, headed = service.client.get(path), service.client.head(path)
    assert headed.status_code == asked.status_code
    assert headed.headers["content-type"] == asked.headers["content-type"]
    assert headed.content == b""
    if path != "/metrics":  # counts these two as well
        assert headed.headers["content-length"] == str(asked.num_bytes_downloaded)  # which may be packed


def test_a_slash_at_the_end_changes_nothing(service: Running) -> None:
    for path in ("/predict/", "/explain/", "/v2/models/seedlings/infer/", "/predict/batch/"):
        with_slash, without = service.client.post(path, content=b"?"), service.client.post(path[:-1], content=b"?")
        assert (with_slash.status_code, with_slash.json()) == (without.status_code, without.json())
        assert with_slash.status_code >= 400
    assert service.client.get("/health/").json() == service.client.get("/health").json()
    assert service.client.get("/docs/").headers["location"] == "../docs"  # its links are relative


@pytest.mark.parametrize("root_path", ["/seedlings", "/farm/seedlings/"])
def test_behind_a_prefix(start: Start, publish_in, root_path: str) -> None:
    publish_in()
    service = start(root_path=root_path)
    prefix = root_path.rstrip("/")
    for before in ("", prefix):  # whether the proxy takes it off or not
        assert service.client.post(f"{before}/predict/", content=fakes.image()).json()["species"] == "Maize"
        assert list(service.client.get(f"{before}/v2/nothing").json()) == ["error"]
        assert service.client.get(f"{before}/page/app.js").status_code == 200
    assert service.client.get("/openapi.json").json()["servers"] == [{"url": prefix}]
    assert service.client.get(f"{prefix}ling/predict").status_code == 404
    to_page = service.client.get(prefix)  # without a slash the page's links would lead elsewhere
    assert str(to_page.next_request.url) == f"{service.client.base_url}{prefix}/"  # type: ignore[union-attr]
    assert service.client.send(to_page.next_request).text == service.client.get("/").text  # type: ignore[arg-type]
    assert 'route="/predict",status="200"} 2.0' in service.client.get("/metrics").text


def test_what_a_caller_sends_cannot_forge_a_line(
    service: Running, configure_logs: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    forged = "/a%0a2026-01-01%20INFO%20forged%1b%5b2J%c2%9b31m%e2%80%ae%20status=200"
    for style in ("human", "json"):
        configure_logs(style)
        service.client.get(forged)
        try:
            raise ValueError("one\n2026-01-01 INFO forged\x1b[2J")
        except ValueError:
            logging.getLogger("x").exception("bad\nworse")
    lines = capsys.readouterr().err.split("\n")
    assert sum("forged" in line for line in lines) >= 4
    assert not [line for line in lines if line.startswith("2026-01-01 INFO forged")]
    assert all(line.isprintable() for line in lines)
    (human,) = [line for line in lines if "path=" in line]
    assert ' path="/a\\n2026' in human  # quoted: nor can it forge a field
    assert not [line for line in lines if line.startswith("worse")]


def test_one_worker_with_a_folder_for_metrics(start: Start, publish_in, tmp_path: Path) -> None:
    publish_in()
    service = start(metrics_dir=tmp_path / "metrics")
    service.client.post("/predict", content=fakes.image())
    assert 'seedlings_predictions_total{species="Maize"} 1.0' in service.client.get("/metrics").text


SAFE = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}  # to every page
UNSEEN = {
    "date",
    "connection",
    "content-security-policy",
    "x-content-type-options",
    "vary",
    "allow",
    "etag",
    "content-encoding",
}  # for browsers, not for scripts


def test_other_pages_may_read_every_header_that_is_sent(start: Start, publish_in, tmp_path: Path) -> None:
    publish_in(fakes.Halves)
    database = f"sqlite:///{tmp_path}/corrections.db"
    service = start(cors_origins=["*"], max_body_bytes=200_000, max_queue=1, api_key="secret", database=database)
    image, key = fakes.image(), {"X-API-Key": "secret"}
    correction: dict[str, object] = {"files": {"file": image}, "data": {"species": "Maize"}}
    service.wait_for(lambda: service.client.post("/corrections", headers=key, **correction).status_code == 201, "its database is open")
    tensor = {"name": "encoded", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(image) + 4}}
    header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    binary = {
        "content": header + len(image).to_bytes(4, "little") + image,
        "headers": {"Inference-Header-Content-Length": str(len(header))},
    }
    answers = [
        service.client.request(
            method, path, **{**options, "headers": {**options.get("headers", {}), **with_key, "Origin": "https://a.example"}}
        )
        for with_key in (key, {})
        for method, path, options in (
            *(("GET", route, {}) for route in ("/", "/docs", "/openapi.json", "/species", "/health", "/health/ready", "/metrics", "/v2")),
            *(("POST", route, {"content": image}) for route in ("/predict", "/explain")),
            ("POST", "/predict/batch", {"files": [("files", image)]}),
            ("POST", "/predict", {"content": bytes(300_000)}),
            ("POST", "/corrections", correction),
            ("POST", "/v2/models/seedlings/infer", binary),
        )
    ]
    for response in answers:
        exposed = {name.strip().lower() for name in response.headers["access-control-expose-headers"].split(",")}
        sent = {name for name in response.headers if not name.startswith("access-control-")}
        assert sent - SAFE - UNSEEN <= exposed, response.request.url
    sent = {name for response in answers for name in response.headers}
    assert {"x-species", "inference-header-content-length", "server-timing", "www-authenticate", "x-request-id", "location"} <= sent


def test_other_pages_may_read_of_a_defect(start: Start, publish_in, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_in()
    service = start(cors_origins=["*"])
    monkeypatch.setattr(type(service.services.predictor), "check_room", lambda _: 1 / 0)
    response = service.client.post("/predict", content=fakes.image(), headers={"Origin": "https://a.example"})
    assert response.status_code == 500
    assert response.headers["access-control-allow-origin"] == "*"


def test_cors_by_setting(start: Start, publish_in) -> None:
    publish_in()
    service = start(cors_origins=["https://farm.example"])
    asked = {"Origin": "https://farm.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    preflight = service.client.options("/predict", headers=asked)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == "https://farm.example"
    answer = service.client.post("/predict", content=fakes.image(), headers={"Origin": "https://farm.example"})
    assert answer.headers["access-control-allow-origin"] == "https://farm.example"
    other = service.client.post("/predict", content=fakes.image(), headers={"Origin": "https://other.example"})
    assert "access-control-allow-origin" not in other.headers


@pytest.mark.parametrize(("draining", "statuses"), [(True, [503]), (False, [])])
def test_what_the_end_of_the_grace_cuts_off_is_told_to_ask_another_one(draining: bool, statuses: list[int]) -> None:
    async def stuck(*_: object) -> None:
        await asyncio.sleep(60)

    async def cut_off() -> None:
        asking = asyncio.create_task(observed({"type": "http", "method": "POST", "path": "/detect", "headers": []}, receive, send))
        await asyncio.sleep(0.05)
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled() is not draining

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    sent: list[Message] = []
    shutdown = Shutdown(1)
    shutdown.draining = draining
    observed = Observe(stuck, shutdown, Metrics(None), "")
    asyncio.run(cut_off())
    assert [message["status"] for message in sent if "status" in message] == statuses
    assert all(b"shutting down; ask another one" in message["body"] for message in sent if "body" in message)
