"""Hot swap: new versions take over, bad ones are refused, nobody notices."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from models_store import store
from service.inference.registry import Registry
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


def test_a_bad_version_is_refused_and_the_old_one_stays(start: Start, publish_in) -> None:
    publish_in(fakes.Shares)
    service = start()
    bad = publish_in(fakes.Logits)
    service.wait_for(lambda: service.client.get("/health").json()["error"], "a word about the bad version")
    health = service.client.get("/health")
    assert (health.status_code, health.json()["model"]["version"]) == (200, "1")
    assert str(bad) in health.json()["error"]
    assert 'seedlings_model_loads_total{outcome="refused"} 1.0' in service.client.get("/metrics").text
    publish_in(fakes.Turned)
    service.wait_for(lambda: version(service) == "3", "version 3")
    assert service.client.get("/health").json()["error"] is None


def test_a_pinned_version_stays(start: Start, publish_in) -> None:
    publish_in(fakes.Shares)
    publish_in(fakes.Turned)
    assert version(start(version=1)) == "1"


class Loaded:
    """A model that only knows its manifest."""

    def __init__(self, opened: store.Opened) -> None:
        self.manifest = opened.manifest
        self.version = str(opened.manifest.version)
        self.size = opened.manifest.input.size


def registry(root: Path, **values: Any) -> Registry:
    return Registry(lambda opened, _: Loaded(opened), root, "seedlings", **({"poll_s": 1, "fallback": root / "none"} | values))


def test_an_empty_store_falls_back_until_a_version_appears(tmp_path: Path) -> None:
    fakes.publish(tmp_path / "shipped")
    held = registry(tmp_path / "volume", fallback=tmp_path / "shipped")
    held.refresh()
    assert held.current is not None
    first = held.current
    held.refresh()
    assert held.current is first  # not loaded again
    fakes.publish(tmp_path / "volume")
    held.refresh()
    assert held.current is not first


def test_nothing_to_serve_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    held = registry(tmp_path)
    held.refresh()
    assert held.current is None
    assert held.error
    assert "publish one" in held.error


def test_an_older_version_serves_when_the_newest_is_damaged(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    damaged = fakes.publish(tmp_path)
    good = (damaged / store.MODEL).read_bytes()
    (damaged / store.MODEL).write_bytes(good[:-1])
    refusals: list[None] = []
    held = registry(tmp_path, on_refusal=lambda: refusals.append(None))
    for _ in range(3):
        held.refresh()
    assert held.current is not None
    assert held.current.version == "1"
    assert len(refusals) == 1  # once, not at every look
    (damaged / store.MODEL).write_bytes(good)  # mended
    held.refresh()
    assert held.current.version == "2"


def test_taking_a_version_away_goes_back_to_the_one_before(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    newest = fakes.publish(tmp_path)
    held = registry(tmp_path)
    held.refresh()
    shutil.rmtree(newest)
    held.refresh()
    assert held.current is not None
    assert held.current.version == "1"


@pytest.mark.parametrize("raised", [RuntimeError("out of memory"), MemoryError()])
def test_whatever_loading_raises_is_survived(tmp_path: Path, raised: Exception) -> None:
    fakes.publish(tmp_path)

    def load(*_: object) -> Any:
        raise raised

    held = Registry(load, tmp_path, "seedlings", poll_s=1)
    held.refresh()
    assert held.current is None
    assert held.error
