"""What is said of a photo, by hand."""

import pytest

from models_store import rollup
from models_store.manifest import Calibration, RankThreshold, Species

SPECIES = [
    Species(name="Black-grass", group="weed", kind="grass weed"),
    Species(name="Loose Silky-bent", group="weed", kind="grass weed"),
    Species(name="Charlock", group="weed", kind="broadleaf weed"),
    Species(name="Maize", group="crop", kind="grass crop"),
    Species(name="Unknown"),
]


def calibration(species: float | None = 0.9, kind: float | None = 0.9, group: float | None = 0.9) -> Calibration:
    broad = {
        rank: RankThreshold(threshold=value, threshold_reason=None if value is not None else "few")
        for rank, value in (("kind", kind), ("group", group))
    }
    return Calibration(
        temperature=1,
        threshold=species,
        threshold_reason=None if species is not None else "few",
        threshold_rule="fixed",
        validation_coverage=1,
        validation_accuracy=1,
        **broad,
    )


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        ([0.95, 0.02, 0.01, 0.01, 0.01], ("species", "Black-grass", 0.95)),
        ([0.5, 0.45, 0.02, 0.02, 0.01], ("kind", "grass weed", 0.95)),
        ([0.45, 0.3, 0.2, 0.04, 0.01], ("group", "weed", 0.95)),
        ([0.3, 0.3, 0.1, 0.25, 0.05], None),
        ([0.0, 0.0, 0.0, 0.0, 1.0], ("species", "Unknown", 1.0)),
        ([0.1, 0.05, 0.0, 0.0, 0.85], None),  # of an unknown kind and group
    ],
)
def test_the_narrowest_that_reaches_its_threshold(probabilities: list[float], said: tuple[str, str, float] | None) -> None:
    assert rollup.narrowest(SPECIES, calibration(), probabilities) == said


def test_a_rank_without_a_threshold_is_passed_over() -> None:
    two_grasses = [0.5, 0.45, 0.02, 0.02, 0.01]
    assert rollup.narrowest(SPECIES, calibration(kind=None), two_grasses) == ("group", "weed", 0.97)
    assert rollup.narrowest(SPECIES, calibration(kind=None, group=None), two_grasses) is None
    older = calibration().model_copy(update={"kind": None, "group": None})
    assert rollup.narrowest(SPECIES, older, two_grasses) is None
    assert rollup.narrowest(SPECIES, calibration(species=None), [1.0, 0, 0, 0, 0]) == ("kind", "grass weed", 1.0)


def test_a_caller_may_ask_for_more() -> None:
    two_grasses = [0.92, 0.06, 0.02, 0.0, 0.0]
    assert rollup.narrowest(SPECIES, calibration(), two_grasses, least=0.95) == ("kind", "grass weed", 0.98)
    assert rollup.narrowest(SPECIES, calibration(), two_grasses, least=0.99) == ("group", "weed", 1.0)
    assert rollup.narrowest(SPECIES, calibration(), two_grasses, least=0.1) == ("species", "Black-grass", 0.92)


def test_a_broader_statement_is_of_the_most_probable_species() -> None:
    mixed = [0.3, 0.0, 0.31, 0.39, 0.0]  # weeds are 0.61 together, and the one most probable species is a crop
    assert rollup.statement(SPECIES, "group", mixed) == ("group", "crop", 0.39)
    assert rollup.narrowest(SPECIES, calibration(group=0.3), mixed) == ("group", "crop", 0.39)


def test_probabilities_are_rounded_as_they_are_answered() -> None:
    said = rollup.statement(SPECIES, "species", [0.90000004, 0.09999996, 0, 0, 0])
    assert said == ("species", "Black-grass", 0.9)
    assert rollup.narrowest(SPECIES, calibration(), [0.89999996, 0.10000004, 0, 0, 0]) == ("species", "Black-grass", 0.9)


def test_the_group_that_a_statement_implies() -> None:
    assert rollup.group_of(SPECIES, rollup.Statement("species", "Maize", 1)) == "crop"
    assert rollup.group_of(SPECIES, rollup.Statement("kind", "grass weed", 1)) == "weed"
    assert rollup.group_of(SPECIES, rollup.Statement("group", "weed", 1)) == "weed"
    assert rollup.group_of(SPECIES, rollup.Statement("species", "Unknown", 1)) is None
