"""Versions taken over by a running service: without a failed request, and what is refused is told."""

import asyncio
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from models_store import store
from service.inference.decoder import Decoder, Photo
from tests import fakes
from tests.service.conftest import Running, Start

COLOUR = (200, 40, 10)


def version(service: Running) -> str | None:
    return (service.client.get("/health").json()["model"] or {}).get("version")


def test_a_new_version_takes_over_without_a_failure(start: Start, publish_in) -> None:
    publish_in(fakes.Shares)
    service = start()
    expected = {"1": "Maize", "2": "Sugar beet", "3": "Maize", "4": "Sugar beet"}  # Turned turns the species by one

    def ask_until_done() -> list[dict[str, Any]]:
        answers = []
        while not answers or answers[-1]["model"]["version"] != "4":
            response = service.client.post("/predict", content=fakes.image(COLOUR))
            assert response.status_code == 200, response.text
            answers.append(response.json())
        return answers

    with ThreadPoolExecutor(4) as pool:
        callers = [pool.submit(ask_until_done) for _ in range(4)]
        for number, network in ((2, fakes.Turned), (3, fakes.Shares), (4, fakes.Turned)):
            publish_in(network)
            service.wait_for(lambda wanted=str(number): version(service) == wanted, f"version {number}")
        answers = [answer for caller in callers for answer in caller.result()]
    for answer in answers:  # no answer mixes versions
        assert answer["species"] == expected[answer["model"]["version"]]
    versions = [int(answer["model"]["version"]) for answer in callers[0].result()]
    assert versions == sorted(versions)


@pytest.mark.parametrize(("path", "of"), [("/detect/batch", "detection"), ("/predict/batch?crop=auto", "prediction")])
def test_a_batch_is_answered_by_one_version(
    start: Start, publish_in, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, of: str
) -> None:
    publish_in(fakes.Shares)
    fakes.publish_segmenter(tmp_path)
    service = start()
    decode, begun = Decoder.photo, itertools.count(1)

    def swap() -> None:
        publish_in(fakes.Turned)
        fakes.publish_segmenter(tmp_path)
        for registry in (service.services.registry, service.services.segmenters):
            service.wait_for(lambda registry=registry: registry.current.manifest.version == 2, "version 2")

    async def photo(decoder: Decoder, body: bytes, side: int) -> Photo:
        if next(begun) == 3:
            await asyncio.to_thread(swap)
        return await decode(decoder, body, side)

    monkeypatch.setattr(Decoder, "photo", photo)
    files = [("files", fakes.encoded(fakes.field([(100, 90, 30)])))] * 12  # more than are asked for at one time
    answers = [result[of] for result in service.client.post(path, files=files).json()["results"]]
    assert [answer["model"]["version"] for answer in answers] == ["1"] * 12
    assert {answer.get("segmenter", {}).get("version", "1") for answer in answers} == {"1"}


def test_a_bad_version_is_refused_and_the_old_one_stays(start: Start, publish_in) -> None:
    publish_in(fakes.Shares)
    service = start()
    bad = publish_in(fakes.Logits)
    service.wait_for(lambda: service.client.get("/health").json()["error"], "a word about the bad version")
    health = service.client.get("/health")
    assert (health.status_code, health.json()["model"]["version"]) == (200, "1")
    assert str(bad) in health.json()["error"]
    assert health.json()["refused"] == [{"version": "2", "reason": health.json()["error"], "transient": False, "model": "seedlings"}]
    assert 'seedlings_model_loads_total{outcome="refused"} 1.0' in service.client.get("/metrics").text
    publish_in(fakes.Turned)
    service.wait_for(lambda: version(service) == "3", "version 3")
    health = service.client.get("/health").json()
    assert health["error"] is None
    assert [refused["version"] for refused in health["refused"]] == ["2"]


def test_a_pinned_version_stays(start: Start, publish_in) -> None:
    publish_in(fakes.Shares)
    publish_in(fakes.Turned)
    assert version(start(version=1)) == "1"


def test_health_lists_what_is_refused(start: Start, publish_in) -> None:
    publish_in(fakes.Shares)
    manifest = publish_in(fakes.Shares) / store.MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"schema_version": 99, "min_reader_schema": 99}))
    health = start().client.get("/health")
    assert (health.status_code, health.json()["model"]["version"]) == (200, "1")
    assert [(refused["version"], refused["transient"]) for refused in health.json()["refused"]] == [("2", False)]
    assert "upgrade the service" in health.json()["refused"][0]["reason"]
    assert health.json()["error"] == health.json()["refused"][0]["reason"]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        pytest.param(lambda root: fakes.publish_segmenter(root, fakes.Broken), "wrong shape", id="its output"),
        pytest.param(lambda root: (fakes.publish_segmenter(root) / store.MODEL).write_bytes(b""), "has 0 bytes", id="its file"),
        pytest.param(lambda root: fakes.publish(root, name=fakes.SEGMENTER), "is a classifier", id="its task"),
    ],
)
def test_health_tells_of_a_segmenter_that_is_refused(start: Start, publish_in, tmp_path: Path, broken: Any, words: str) -> None:
    publish_in()
    broken(tmp_path)
    health = start().client.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "ready")  # photos of one plant are answered
    assert words in health.json()["error"]
    (refused,) = health.json()["refused"]
    assert refused == {"version": "1", "reason": health.json()["error"], "transient": False, "model": fakes.SEGMENTER}


def test_health_tells_of_a_segmenter_that_is_not_there(start: Start, publish_in) -> None:
    publish_in()
    health = start(segmenter="nope").client.get("/health").json()
    assert (health["status"], health["refused"]) == ("ready", [])
    assert "nope holds no version of a model; publish one with 'python -m training photo-segmenter export'" in health["error"]


def test_health_lists_a_second_model_that_is_refused(start: Start, publish_in, tmp_path: Path) -> None:
    publish_in()
    (fakes.publish(tmp_path, name="roses") / store.MODEL).write_bytes(b"")
    health = start(second_model="roses").client.get("/health").json()
    assert [(refused["model"], refused["version"]) for refused in health["refused"]] == [("roses", "1")]
    assert health["error"] == health["refused"][0]["reason"]
