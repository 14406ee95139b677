"""What is seen from outside: metrics, logs, request ids, timings."""

import json
import logging
import re
import warnings

import pytest

from service.process import logs
from tests import fakes
from tests.service.conftest import Running, Start


def test_metrics_count_what_happened(own_service: Running) -> None:
    service = own_service
    for _ in range(3):
        service.client.post("/predict", content=fakes.image())
    service.client.post("/predict", content=b"no image")
    service.client.get("/secret/path/of/a/caller")
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


def test_request_ids_are_taken_or_given(service: Running) -> None:
    assert service.client.get("/health", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    given = {service.client.get("/health", headers={"X-Request-ID": bad}).headers["x-request-id"] for bad in ("", "a b", "x" * 200)}
    assert len(given) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in given)


def test_logs_tell_the_request_but_not_the_image(service: Running, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        service.client.post("/predict?token=hidden", content=fakes.image(), headers={"X-Request-ID": "r-1"})
        service.client.get("/health")
        service.wait_for(lambda: [r for r in caplog.records if r.name == "service.access"], "the line")
    (record,) = [record for record in caplog.records if record.name == "service.access"]  # probes are not logged
    fields = record.fields  # type: ignore[attr-defined]
    assert (fields["method"], fields["path"], fields["status"]) == ("POST", "/predict", 200)
    assert "hidden" not in str(record.__dict__)
    assert "PNG" not in str(record.__dict__)


@pytest.mark.parametrize("style", ["json", "human"])
def test_formats(style, capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        root.handlers.clear()
        with warnings.catch_warnings():  # it sets filters too
            logs.configure(style, "info")
        token = logs.request_id.set("r-2")
        logging.getLogger("x").info("héllo %d", 1, extra={"fields": {"status": 200}})
        logs.request_id.reset(token)
        try:
            raise ValueError("broken")
        except ValueError:
            logging.getLogger("x").exception("bad")
    finally:
        root.handlers[:], root.level = before
    out = capsys.readouterr().err
    if style == "json":
        first, second = map(json.loads, out.splitlines())
        assert (first["message"], first["level"], first["request_id"], first["status"]) == ("héllo 1", "info", "r-2", 200)
        assert "ValueError: broken" in second["traceback"]
        assert "request_id" not in second
    else:
        assert "héllo 1 status=200 request_id=r-2" in out
        assert "ValueError: broken" in out


def test_a_defect_gives_a_problem_without_a_traceback(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("inner secret")

    monkeypatch.setattr(type(service.services.predictor), "check_room", broken)
    response = service.client.post("/predict", content=fakes.image())
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "x-request-id" in response.headers
    assert "secret" not in response.text


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
