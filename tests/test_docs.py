"""The documents speak of things that exist."""

import json
import re
from pathlib import Path

import pytest

from service.process.metrics import Metrics
from service.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WITH_METRICS = ("operating.md", "alerts.yml", "grafana-dashboard.json")
_SUFFIXES = ("_bucket", "_sum", "_count")


@pytest.fixture(scope="module")
def exposed() -> str:
    """All metrics, each with its labels, as Prometheus gets them."""
    metrics = Metrics()
    metrics.request("/predict", 200, 0.1)
    metrics.prediction("Maize", familiar=False, decode_s=0.1, queue_s=0.1)
    metrics.batch(1, 0.1, 1)
    metrics.rejected("queue-full")
    metrics.loaded("seedlings", 1)
    metrics.refused()
    return metrics.render(0).decode()


@pytest.mark.parametrize("name", WITH_METRICS)
def test_every_metric_named_exists(name: str, exposed: str) -> None:
    known = set(re.findall(r"^(seedlings_\w+)", exposed, re.MULTILINE))
    known |= {metric.removesuffix(suffix) for metric in known for suffix in _SUFFIXES}
    named = set(re.findall(r"\bseedlings_[a-z_]+\b", (DOCS / name).read_text()))
    assert named
    assert named <= known


@pytest.mark.parametrize("name", ["alerts.yml", "grafana-dashboard.json"])
def test_every_label_named_exists(name: str, exposed: str) -> None:
    text = (DOCS / name).read_text().replace('\\"', '"')
    scraped = {"job", "instance"}  # Prometheus adds them
    for metric, selector in re.findall(r"\b(seedlings_[a-z_]+)\{(.*?)\}", text):
        labels = set(re.findall(rf"^{metric}{{(.*?)}}", exposed, re.MULTILINE))
        known = {label for found in labels for label in re.findall(r'(\w+)="', found)} | scraped
        assert set(re.findall(r'(\w+)(?:=~|!~|!=|=)"', selector)) <= known, metric


def test_every_metric_is_documented(exposed: str) -> None:
    families = {
        name
        for name in re.findall(r"^# TYPE (seedlings_\w+) (?:counter|gauge|histogram)", exposed, re.MULTILINE)
        if not name.endswith("_created")
    }
    operating = (DOCS / "operating.md").read_text()
    assert {name for name in families if f"`{name}`" not in operating} == set()


def test_every_setting_is_documented() -> None:
    named = set(re.findall(rf"`{PREFIX}(\w+)`", (DOCS / "operating.md").read_text()))
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_dashboard_can_be_imported() -> None:
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(target["expr"] for panel in panels for target in panel.get("targets", []))


@pytest.mark.parametrize("document", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), target
