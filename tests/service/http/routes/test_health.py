"""The probes, while loading, ready and busy."""

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import fakes
from tests.service.conftest import Running, Start


def test_ready(service: Running) -> None:
    health = service.client.get("/health")
    assert health.status_code == 200
    assert health.json()["status"] == "ready"
    assert health.json()["model"]["name"] == "seedlings"
    assert health.json()["model"]["version"] == "1"
    assert service.client.get("/health/live").json() == {"live": True}
    assert service.client.get("/health/ready").json() == {"ready": True, "status": "ready"}


def test_alive_is_not_ready(start: Start, publish_in) -> None:
    publish_in(fakes.Slow)  # its warm-up takes a while
    service = start(ready=False, max_batch=16)
    assert service.client.get("/health/live").status_code == 200
    health = service.client.get("/health")
    assert health.status_code == 503
    assert health.json()["status"] == "loading"
    assert health.json()["model"] is None
    refused = service.client.post("/predict", content=fakes.image())
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1


def test_a_missing_model_is_told(start: Start) -> None:
    service = start(ready=False, model="other", segmenter="none-such")
    service.wait_for(lambda: service.client.get("/health").json()["status"] == "failed", "failed")
    service.wait_for(lambda: service.services.segmenters.error, "there is no segmenter")
    health = service.client.get("/health")
    assert health.status_code == 503
    of_model, of_segmenter = health.json()["error"].split("; publish one with 'python -m training export'; ")
    assert "other" in of_model
    assert "none-such" in of_segmenter  # one fault hides no other
    assert service.client.get("/health/live").status_code == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it is meant
def test_a_dead_inference_thread_asks_for_a_restart(own_service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(type(own_service.services.metrics), "batch", die)
    assert own_service.client.post("/predict", content=fakes.image()).status_code == 200
    for probe in ("/health/live", "/v2/health/live"):
        own_service.wait_for(lambda probe=probe: own_service.client.get(probe).status_code == 503, "not alive")
        assert own_service.client.get(probe).json() == {"live": False}
    assert "restart" in own_service.client.get("/health").json()["error"]
    told: list[bool] = []

    async def measure() -> None:
        measuring = asyncio.create_task(own_service.services.measure(when_dead=lambda: told.append(True)))
        await asyncio.wait([measuring], timeout=0.7)  # two looks
        measuring.cancel()

    asyncio.run(measure())
    assert told == [True]  # with several workers, one that is dead ends itself


def test_probes_answer_while_predictions_run(start: Start, publish_in) -> None:
    publish_in(fakes.Slow)
    service = start(max_batch=2)
    with ThreadPoolExecutor(6) as pool:
        work = [pool.submit(service.client.post, "/predict", content=fakes.image()) for _ in range(6)]
        times = []
        while not all(task.done() for task in work):
            before = time.monotonic()
            assert service.client.get("/health").status_code == 200
            times.append(time.monotonic() - before)
        assert all(task.result().status_code == 200 for task in work)
    times.sort()
    assert times[len(times) // 2] < 0.05  # the median: other processes may hold the machine for a moment


def test_a_full_disk_of_metrics_ends_nothing(own_service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    service = own_service

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("prometheus_client.Counter.inc", full_disk)
    monkeypatch.setattr("prometheus_client.Histogram.observe", full_disk)
    for _ in range(3):
        assert service.client.post("/predict", content=fakes.image()).status_code == 200
        assert service.client.post("/predict", content=b"hello").status_code == 415
    assert service.client.get("/health/ready").status_code == 200


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # it is meant
def test_a_dead_inference_thread_is_not_ready(own_service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    service = own_service
    monkeypatch.setattr(service.services.metrics, "batch", lambda *_: sys.exit())  # ends the thread that reports to it
    assert service.client.post("/predict", content=fakes.image()).status_code == 200
    service.wait_for(lambda: service.client.get("/health/ready").status_code == 503, "not ready")
    health = service.client.get("/health").json()
    assert (health["status"], health["error"]) == ("failed", "an inference thread has ended; restart the service")
    refused = service.client.post("/predict", content=fakes.image())
    assert refused.status_code == 503
    assert "restart" in refused.json()["detail"]


def test_a_dead_thread_of_the_segmenter_is_not_ready(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(service.services.detector), "alive", property(lambda _: False))
    assert service.client.get("/health/ready").json() == {"ready": False, "status": "failed"}
    assert service.client.get("/health").json()["error"] == "an inference thread has ended; restart the service"
