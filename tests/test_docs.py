"""The documents speak of things that exist."""

import json
import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from models_store import store
from scripts import generate_client, generate_docs
from service.http import openapi_examples
from service.process.metrics import Metrics
from service.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CLIENTS = sorted((ROOT / "clients").glob("*/README.md"))
WITH_METRICS = ("operating.md", "alerts.yml", "grafana-dashboard.json")
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md")), ROOT / "results" / "README.md", *CLIENTS]
FOLDERS = ("benchmarks", "clients", "corrections", "deploy", "docs", "edge", "models_store", "scripts", "service", "tests", "training")
_SUFFIXES = ("_bucket", "_sum", "_count")


@pytest.fixture(scope="module")
def exposed() -> str:
    """All metrics, each with its labels, as Prometheus gets them."""
    metrics = Metrics()
    metrics.request("/predict", 200, 0.1, "farm")
    metrics.prediction("Maize", familiar=False, second=True, ood_ratio=0.5)
    metrics.expected({"Maize": 0.4, "Charlock": 0.6}, 0.005)
    metrics.batch(1, 0.1, 1)
    metrics.segmented(0.1, 0)
    metrics.plants({("Maize", True): 1})
    metrics.corrected("Maize", right=False)
    metrics.rejected("queue-full")
    metrics.loaded("seedlings", 1, "onnxruntime")
    metrics.refused()
    metrics.shadowed("2", "1", "agreed", 0.1)
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


def test_what_comes_from_the_code_is_fresh() -> None:
    stale = [path.name for path, text in generate_docs.documents().items() if path.read_text() != text]
    assert stale == [], "run: make docs"


@pytest.mark.parametrize("document", [ROOT / "README.md", DOCS / "api.md", DOCS / "openapi.json"], ids=lambda path: path.name)
def test_samples_are_of_the_newest_shipped_versions(document: Path) -> None:
    named = set(re.findall(r'"name": "(seedlings[\w-]*)",\s*"version": "(\d+)"', document.read_text()))
    assert named
    assert named <= {(name, str(store.versions(store.SHIPPED_STORE, name)[-1])) for name, _ in named}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_start_from_versions_that_come_with_the_project(document: Path) -> None:
    named = re.findall(r"--start (seedlings[\w-]*)/(\d+)", document.read_text())
    assert [one for one in named if int(one[1]) not in store.versions(store.SHIPPED_STORE, one[0])] == []


def test_the_sample_of_species_has_the_thresholds_of_its_model() -> None:
    sample = openapi_examples.SCHEMAS["SpeciesList"]
    calibration = store.read_manifest(store.SHIPPED_STORE / sample["model"]["name"] / sample["model"]["version"]).calibration
    assert sample["threshold"] == sample["thresholds"]["species"] == calibration.threshold
    assert calibration.kind
    assert calibration.group
    assert (sample["thresholds"]["kind"], sample["thresholds"]["group"]) == (calibration.kind.threshold, calibration.group.threshold)


@pytest.mark.slow
def test_the_classes_of_the_client_are_fresh() -> None:
    assert generate_client.stale() == [], "run: make docs"


def test_a_stale_table_is_noticed() -> None:
    text = "before\n<!-- generated: errors -->\n| old |\n<!-- end -->\nafter"
    assert generate_docs.filled(text, {"errors": "| new |"}) == text.replace("old", "new")


def test_a_field_without_a_description_is_refused() -> None:
    with pytest.raises(ValueError, match="rate has no description"):
        generate_docs.described(FieldInfo(default=1), "rate")


@pytest.mark.parametrize("name", ["operating.md", "containers.md"])
def test_every_setting_named_exists(name: str) -> None:
    named = set(re.findall(rf"`{PREFIX}(\w+)", (DOCS / name).read_text()))
    others = {"DATA", "CPUS", "DATABASE_PASSWORD", "HTTPS_NAME"}  # of docker-compose.yml
    assert named - others <= {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("package", ["corrections", "edge", "models_store", "service", "training"])
def test_the_architecture_draws_the_rooms_that_there_are(package: str) -> None:
    text = (DOCS / "architecture.md").read_text()
    first, *lines = text[text.index(f"\n{package} ") :].strip().split("\n\n")[0].splitlines()
    drawn = [name for line in lines for name in re.split("  +", line.strip())[0].split(" · ")]
    rooms = [
        f"{entry.name}/" if entry.is_dir() else entry.name
        for entry in (ROOT / package).iterdir()
        if entry.name not in ("__init__.py", "__pycache__", "py.typed")
    ]
    assert first.split()[0] == package
    assert sorted(drawn) == sorted(rooms)


def test_the_dashboard_can_be_imported() -> None:
    dashboard = json.loads((DOCS / "grafana-dashboard.json").read_text())
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(target["expr"] for panel in panels for target in panel.get("targets", []))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", document.read_text()):
        file = document.parent / target if target else document
        assert file.exists(), target
        if anchor:
            assert anchor in {slug(title) for title in re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)}, f"{target}#{anchor}"


def slug(title: str) -> str:
    """The anchor of a heading, as the usual renderers of Markdown make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_named_exist(document: Path) -> None:
    """What stands in backticks and begins with a folder of the repository."""
    for name in re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`", document.read_text()):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_are_found_where_make_puts_them(document: Path) -> None:
    """Either a command is named with its folder, or the document says how to enter the environment."""
    text = document.read_text()
    blocks = re.findall(r"^```(?:console)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    bare = re.findall(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*((?:python|pip|seedlings) .*)$", "\n".join(blocks), re.MULTILINE)
    assert not bare or ".venv/bin/activate" in text or document in CLIENTS, bare


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_package_index_is_asked_for_the_project(document: Path) -> None:
    """It lies in this repository alone. An index would give whatever somebody else has put there under its name."""
    assert re.findall(r"pip install [^`\n]*\bseedlings\b(?!-)[^`\n]*", document.read_text()) == []
