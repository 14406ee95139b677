"""Prometheus reads a real service: the queries of the dashboard find what they ask for, and the rules are all evaluated."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import fakes, prometheus
from tests.service.conftest import Running, Start

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.slow
def test_dashboard_and_rules(start: Start, publish_in: Callable[..., Path], tmp_path: Path) -> None:
    prometheus.program("prometheus")
    publish_in(fakes.Shares)
    fakes.publish_segmenter(tmp_path)
    service = start(database=f"sqlite:///{tmp_path}/corrections.db")
    service.wait_keeping()
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with prometheus.running(folder, [f"127.0.0.1:{service.port}"], DOCS / "alerts.yml") as api:
        service.wait_for(lambda: answers(api, 'up{job="seedlings"} == 1'), "Prometheus reads the service")
        use(service)
        seen = 'count(seedlings_requests_total{route="/predict"}) == 2'
        service.wait_for(lambda: answers(api, seen), "answers and a refusal are read")
        use(service)
        for grown in ('seedlings_corrections_total{outcome="wrong"}', 'seedlings_requests_total{status="415"}', "seedlings_plants_total"):
            query = f"sum(increase({grown}[1m])) > 0.5"
            service.wait_for(lambda query=query: answers(api, query), f"what came for the first and the second time counts: {query}")
        for title, query in queries():
            found = answers(api, query)
            assert found or title == "Drift of the photos", f"{title}: {query}"  # of a network that measures no distances
            assert all(value != "NaN" for value in found) or "quantile" in query, f"{title}: {query}: {found}"
        rules = [rule for group in api.get("/rules").json()["data"]["groups"] for rule in group["rules"]]
        assert {rule["health"] for rule in rules} == {"ok"}, rules
        assert [rule["name"] for rule in rules if rule["state"] != "inactive"] == []


def use(service: Running) -> None:
    """Answers, plants, a refusal, and a correction."""
    for colour in range(3):
        photo = fakes.image((200, colour, 0), side=64)
        service.client.post("/predict", files={"file": photo}).raise_for_status()
    service.client.post("/detect", content=fakes.encoded(fakes.field(((100, 90, 40), (300, 120, 30))))).raise_for_status()
    service.client.post("/corrections", files={"file": photo}, data={"species": "not a plant"}).raise_for_status()
    assert service.client.post("/predict", content=b"no image").status_code == 415


def queries() -> list[tuple[str, str]]:
    """The dashboard's, as Grafana sends them."""
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text())
    found = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]
    return [(title, query.replace("$job", ".*").replace("$__rate_interval", "1m")) for title, query in found]


def answers(api: Any, query: str) -> list[str]:
    """The values that Prometheus gives."""
    document = api.get("/query", params={"query": query}).json()
    assert document["status"] == "success", document
    return [value for *_, value in (one["value"] for one in document["data"]["result"])]
