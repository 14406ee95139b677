"""The promise of a threshold is kept as often as it says, and what is answered is counted by hand."""

import re

import numpy as np
import pytest
from scipy import stats

from models_store.manifest import Calibration, Species
from training.artifact import answer_figures, thresholds
from training.artifact.thresholds import HeldOutAnswers

SPECIES = [
    Species(name="Black-grass", group="weed", kind="grass weed"),
    Species(name="Loose Silky-bent", group="weed", kind="grass weed"),
    Species(name="Charlock", group="weed", kind="broadleaf weed"),
    Species(name="Maize", group="crop", kind="grass crop"),
]
PAIR = [Species(name="a"), Species(name="b")]
UNKNOWN = Species(name="Nettle", group="weed", kind="broadleaf weed")


def pair(sure, right, promise=0.95, name="images"):
    """Photos of species a, answered "a" with these probabilities, or else "b"."""
    rows = [[p, 1 - p] if good else [1 - p, p] for p, good in zip(sure, right, strict=True)]
    return HeldOutAnswers(name, rows, [PAIR[0]] * len(rows), [True] * len(rows), promise)


def of_species(*sets):
    return thresholds.choose(PAIR, list(sets))["species"]


def falling(n, top=0.999, bottom=0.6):
    return [round(p, 7) for p in np.linspace(top, bottom, n)]


def bound(right, n, certainty=0.95):
    return stats.binomtest(right, n, alternative="greater").proportion_ci(certainty, method="exact").low


@pytest.mark.parametrize(("promise", "least", "smaller"), [(0.99, 299, 0.98), (0.95, 59, 0.9), (0.9, 29, None)])
def test_too_few_answers_give_no_threshold(promise, least, smaller):
    none = of_species(pair(falling(least - 1), [True] * (least - 1), promise, "validation images"))
    assert none.threshold is None
    assert f"{least - 1} validation images are too few: a promise of {promise} takes at least {least} answers" in none.threshold_reason
    assert re.findall("--promise ([0-9.]+)", none.threshold_reason) == ([] if smaller is None else [str(smaller)])
    found = of_species(pair(falling(least), [True] * least, promise))
    assert 0.6 - 2e-6 < found.threshold < 0.6
    assert found.threshold_reason is None


def test_it_ends_where_the_bound_fails_first():
    right = [True] * 100
    right[70] = False  # one of 71 is under the bound, one of 93 and more is over it again
    assert bound(70, 71) < 0.95 < bound(70, 70)
    assert bound(99, 100) > 0.95
    sure = falling(100)
    assert sure[70] < of_species(pair(sure, right)).threshold < sure[69]


def test_a_wrong_label_among_the_surest_does_not_end_it():
    right = [True] * 2000
    right[3] = False
    assert bound(58, 59) < 0.95  # where a sequence from the least number of answers would fail
    found = of_species(pair(falling(2000), right))
    assert found.threshold == pytest.approx(0.6, abs=1e-5)


def test_where_half_of_the_answers_are_too_many_the_surest_are_still_found():
    right = [True] * 600 + [False] * 1400
    sure = falling(2000)
    threshold = of_species(pair(sure, right)).threshold
    n = sum(p >= threshold for p in sure)
    assert 600 <= n < 650
    assert bound(600, n, 0.99) >= 0.95


def test_answers_that_are_equally_sure_are_taken_together_or_not_at_all():
    assert of_species(pair([0.9] * 350, [True] * 320 + [False] * 30)).threshold is None


@pytest.mark.slow
def test_the_promise_is_kept_as_often_as_it_says():
    random = np.random.default_rng(0)
    broken = chosen = 0
    for _ in range(400):  # answers whose probability is the chance that they are right
        sure = random.beta(5, 0.5, 500).clip(0.5, 1).round(7)
        threshold = of_species(pair(sure.tolist(), (random.random(500) < sure).tolist())).threshold
        chosen += threshold is not None
        broken += threshold is not None and float(sure[sure >= threshold].mean()) < 0.95
    assert chosen > 300
    assert 0 < broken <= 0.05 * 400 + 2 * np.sqrt(400 * 0.05 * 0.95)


def test_it_holds_on_each_set():
    box = pair(falling(400), [True] * 400)
    sure = falling(200)
    field = pair(sure, [True] * 120 + [False] * 80)
    alone, both = of_species(box).threshold, of_species(box, field).threshold
    assert alone < both
    n = sum(p >= both for p in sure)
    assert bound(min(n, 120), n) >= 0.95
    few = pair(falling(30), [True] * 30, name="other images")
    assert "30 other images are too few: a promise of 0.95" in of_species(box, few).threshold_reason


def test_of_few_photos_from_a_field_none_may_be_answered_wrongly():
    box, sure = pair(falling(400), [True] * 400), falling(40)
    field = [pair(sure[:20], [True] * 20), pair(sure[20:], [True] * 10 + [False] + [True] * 9)]
    threshold = of_species(box, thresholds.together("field photos", field)).threshold
    assert sure[30] < threshold < sure[29]
    none = thresholds.together("field photos", [pair(sure, [False] * 40)])
    found = of_species(box, none)
    assert found.threshold is None
    assert "the images alone have one, but on the 40 field photos too many of the surest answers are wrong" in found.threshold_reason
    enough = thresholds.together("field photos", [pair(falling(300), [True] * 299 + [False])])
    assert of_species(box, enough).threshold < 0.6  # one of 300 keeps the bound
    assert "of fewer than 59 answers there" in thresholds.rule([box, enough])


def test_unfamiliar_photos_are_no_answers():
    box = pair(falling(100), [True] * 60 + [False] * 40)
    familiar = HeldOutAnswers(box.name, box.probabilities, box.truth, [True] * 60 + [False] * 40, box.promise)
    assert 0.6 < falling(100)[59] - 1e-5 < of_species(familiar).threshold < falling(100)[59]
    assert (
        of_species(HeldOutAnswers(box.name, box.probabilities, box.truth, [False] * 100, 0.95)).threshold_reason
        == "every photo is unfamiliar"
    )


def grasses(n=400):
    """Two grasses that are told apart in half of the photos, all weeds; a crop that is always sure."""
    rows, truth = [], []
    for i in range(n):
        sure = i % 2 == 0
        rows.append([0.97, 0.02, 0.01 - i * 1e-6, i * 1e-6] if sure else [0.5, 0.49, 0.01 - i * 1e-6, i * 1e-6])
        truth.append(SPECIES[0] if sure else SPECIES[i // 2 % 2])
    return HeldOutAnswers("images", rows, truth, [True] * n, 0.95)


def test_what_is_unsure_rolls_up():
    photos = grasses()
    chosen = thresholds.choose(SPECIES, [photos])
    assert 0.5 < chosen["species"].threshold <= 0.97
    assert 0.98 < chosen["kind"].threshold <= 0.99
    calibration = Calibration(
        temperature=1,
        **chosen["species"].model_dump(),
        threshold_rule="",
        kind=chosen["kind"],
        group=chosen["group"],
        validation_coverage=0,
        validation_accuracy=None,
    )
    found = answer_figures.figures(SPECIES, calibration, photos)
    assert (found.n, found.answered, found.wrong) == (400, {"species": 200, "kind": 200, "group": 0}, dict.fromkeys(found.wrong, 0))
    unfamiliar = HeldOutAnswers("", photos.probabilities, photos.truth, [False] * 400, 0.95)
    assert sum(answer_figures.figures(SPECIES, calibration, unfamiliar).answered.values()) == 0


def test_those_that_only_a_kind_answers_are_as_good_by_their_share():
    photos = grasses(400)
    truth = [one if i % 20 != 1 else SPECIES[3] for i, one in enumerate(photos.truth)]  # every tenth of the unsure is no grass weed
    few_wrong = HeldOutAnswers("images", photos.probabilities, truth, photos.familiar, 0.9)
    assert bound(380, 400) > 0.9  # of all the promise is kept
    chosen = thresholds.choose(SPECIES, [few_wrong])
    assert chosen["species"].threshold is not None
    assert chosen["kind"].threshold == pytest.approx(0.99, abs=1e-3)  # exactly a tenth of the last 200 is wrong
    worse = HeldOutAnswers(
        "images", photos.probabilities, [SPECIES[3] if i == 3 else one for i, one in enumerate(truth)], photos.familiar, 0.9
    )
    assert thresholds.choose(SPECIES, [worse])["kind"].threshold is None


def test_no_kind_no_threshold():
    chosen = thresholds.choose(PAIR, [pair(falling(100), [True] * 100)])
    assert chosen["species"].threshold is not None
    for rank in ("kind", "group"):
        assert chosen[rank].threshold is None
        assert "species.toml" in chosen[rank].threshold_reason


def test_crops_called_weeds_are_counted_apart():
    rows = [[0.96, 0.02, 0.01, 0.01], [0.5, 0.48, 0.01, 0.01], [0.34, 0.32, 0.33, 0.01], [0.0, 0.0, 0.02, 0.98], [0.3, 0.2, 0.2, 0.3]]
    photos = HeldOutAnswers("images", rows, [SPECIES[3], SPECIES[3], SPECIES[0], SPECIES[3], UNKNOWN], [True] * 5, 0.95)
    broad = {"threshold": 0.95, "threshold_reason": None}
    calibration = Calibration(
        temperature=1, threshold=0.95, threshold_rule="", kind=broad, group=broad, validation_coverage=0, validation_accuracy=None
    )
    found = answer_figures.figures(SPECIES, calibration, photos)
    assert found.answered == {"species": 2, "kind": 1, "group": 1}
    assert found.wrong == {"species": 1, "kind": 1, "group": 0}
    assert (found.crops, found.crops_called_weeds) == (3, 2)


def test_a_plant_that_the_model_does_not_know_may_still_be_a_weed():
    weed = {"threshold": 0.9, "threshold_reason": None}
    calibration = Calibration(
        temperature=1, threshold=0.99, threshold_rule="", kind=weed, group=weed, validation_coverage=0, validation_accuracy=None
    )
    rows = [[0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.95, 0.05], [0.3, 0.3, 0.35, 0.05]]
    found = answer_figures.figures(SPECIES, calibration, HeldOutAnswers("", rows, [UNKNOWN] * 3, [True] * 3, 0.9))
    assert found.answered == {"species": 1, "kind": 1, "group": 1}
    assert found.wrong == {"species": 1, "kind": 0, "group": 0}
