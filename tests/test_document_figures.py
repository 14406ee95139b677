"""The tables of the documents say what the manifests of the shipped models say."""

import json
import re
from pathlib import Path

import pytest

from models_store import store
from models_store.manifest import RANKS, AnswerFigures, Manifest

ROOT = Path(__file__).parents[1]
INDOORS, FIELD = (store.read_manifest(store.resolve(store.SHIPPED_STORE, name)) for name in ("seedlings", "seedlings-field"))
SERVICE = json.loads((ROOT / "benchmarks" / "results" / "answers.json").read_text())  # both models
README, ACCURACY = (re.sub(r"[*`]", "", (ROOT / name).read_text()) for name in ("README.md", "docs/accuracy.md"))


def right(name: str) -> float:
    """Share of photos that the service answers rightly."""
    found = SERVICE["photos"][name]
    return float(found["right"] / found["n"])


def row(text: str, start: str) -> list[str]:
    """The cells of the one row of a table whose first cell begins so."""
    (found,) = [line for line in text.splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in found.strip("|").split("|")][1:]


def answers(found: AnswerFigures) -> list[str]:
    answered, wrong = sum(found.answered.values()), sum(found.wrong.values())
    ranks = [f"{found.answered[rank] / found.n:.1%}" + (f" ({found.wrong[rank]} wrong)" if answered else "") for rank in RANKS]
    share = f"{wrong} of {answered} = {wrong / answered:.1%}" if answered else "none"
    return [str(found.n), *ranks, f"{1 - answered / found.n:.1%}", share, f"{found.crops_called_weeds} of {found.crops}"]


@pytest.mark.parametrize(
    ("start", "share", "both"),
    [
        ("single seedlings from above", lambda manifest: f"{manifest.figures.accuracy:.1%}", f"{right('test'):.1%}"),
        (
            "the same, test photos of the Kaggle",
            lambda manifest: f"{manifest.elsewhere['kaggle-test'].accuracy:.1%}",
            f"{right('kaggle-test'):.1%}",
        ),
        (
            "Black-grass among the first",
            lambda manifest: f"{manifest.figures.per_species['Black-grass'].recall:.0%}",
            f"{SERVICE['photos']['test']['recall']['Black-grass']:.0%}",
        ),
        ("80 sugar beets", lambda manifest: f"{manifest.elsewhere['beets'].accuracy:.0%}", f"{right('beets'):.0%}"),
        ("73 wheat plants", lambda manifest: f"{manifest.elsewhere['wheat'].accuracy:.0%}", f"{right('wheat'):.0%}"),
    ],
)
def test_the_first_table_of_the_readme(start, share, both):
    assert row(README, start)[:3] == [both, share(INDOORS), share(FIELD)]


@pytest.mark.parametrize("name", SERVICE["photos"])
def test_what_the_service_answers_by_default(name):
    starts = {"kaggle-test": "Kaggle", "beets": "sugar", "wheat": "winter", "bonn-weeds": "weeds", "own-page": "screenshots"}
    found = SERVICE["photos"][name]
    share = f"{right(name):.1%}" if "right" in found else "none can be"
    answered, wrong = (str(sum(found[key].values())) for key in ("answered", "wrong"))
    second = str(found["by"][FIELD.name])
    start = f"service: {starts.get(name, name.replace('-', ' '))}"
    assert row(ACCURACY, start) == [str(found["n"]), share, answered, wrong, str(found["confident"]), str(found["unfamiliar"]), second]


def test_the_service_was_measured_as_it_is_started():
    assert (SERVICE["model"], SERVICE["second_model"]) == tuple(f"{one.name}/{one.version}" for one in (INDOORS, FIELD))


def test_the_readme_s_sentences_on_answers():
    named, other = INDOORS.figures.answers, FIELD.figures.answers
    assert named is not None
    assert other is not None
    text = " ".join(README.split())
    share = named.answered["species"] / named.n
    assert f"names the species of {share:.0%} ({named.wrong['species']} wrong of {named.answered['species']})" in text
    assert f"the kind of another {named.answered['kind'] / named.n:.0%} ({named.wrong['kind']} wrong of {named.answered['kind']})" in text
    answered = sum(other.answered.values())
    assert f"for {answered / other.n:.0%} of the indoor photos ({sum(other.wrong.values())} wrong of {answered})" in text
    unfamiliar = (FIELD.ood["own-page"].unfamiliar, FIELD.ood["sample-pictures"].unfamiliar)
    assert "to {:.0%} of screenshots and {:.0%} of sample pictures".format(*unfamiliar) in text


def test_what_can_be_relied_upon():
    relied = ACCURACY[ACCURACY.index("## What can be relied upon") : ACCURACY.index("## On photos from elsewhere")]
    assert f"seedlings/{INDOORS.version} has the weights" in relied
    for start, found in (
        ("validation", INDOORS.calibration.validation_answers),
        ("test", INDOORS.figures.answers),
        ("Kaggle", INDOORS.elsewhere["kaggle-test"].answers),
        ("sugar beets", INDOORS.elsewhere["beets"].answers),
        ("winter wheat", INDOORS.elsewhere["wheat"].answers),
    ):
        assert found is not None
        assert row(relied, start) == answers(found)


@pytest.mark.parametrize(
    ("start", "name"), [("weeds cut out", "bonn-weeds"), ("sample pictures", "sample-pictures"), ("screenshots", "own-page")]
)
def test_pictures_of_anything_else(start, name):
    def cells(manifest: Manifest) -> list[str]:
        found = manifest.ood[name]
        return [f"{found.auroc:.3f}", f"{found.fpr95:.1%}", f"{found.unfamiliar:.1%}", f"{found.answered:.1%}"]

    assert row(ACCURACY, start) == [str(INDOORS.ood[name].n), *cells(INDOORS), *cells(FIELD)]


def test_the_networks_and_their_sizes():
    cells = row(ACCURACY, f"its compact form, seedlings/2 and /{INDOORS.version}")
    figures = INDOORS.figures
    assert INDOORS.compact is not None
    wanted = [f"{INDOORS.compact.parameters:,}", f"{figures.accuracy:.2%}", f"{figures.macro_f1:.4f}", f"{figures.ece:.1%}"]
    assert cells == wanted
    assert f"compact {FIELD.size_bytes / 1e6:.1f} MB" in ACCURACY
    elsewhere = FIELD.elsewhere
    for start, name in (("sugar beets, camera", "beets"), ("winter wheat in rows, plants", "wheat")):
        assert row(ACCURACY, start)[1] == f"{INDOORS.elsewhere[name].accuracy:.0%}"
        assert row(ACCURACY, start)[2].startswith(f"{elsewhere[name].accuracy:.1%} (")


def test_the_network_for_both_places_that_is_not_shipped():
    refit = Manifest.model_validate_json((ROOT / "results" / "refit.json").read_bytes())
    shares = [f"{refit.elsewhere[name].accuracy:.1%}" for name in ("kaggle-test", "beets", "wheat")]
    said = "{} of 791 test images of the competition, {} of the beets and {} of the wheat".format(*shares)
    assert said in " ".join(ACCURACY.split())
    assert refit.figures.accuracy == pytest.approx(refit.elsewhere["kaggle-test"].accuracy, abs=1e-6)
    assert refit.calibration.threshold is None
