"""Whether what was learnt from corrections is better. The command itself: tests/training/cli/test_adapt.py."""

import dataclasses
import shutil

import pytest
import torch

from models_store import store
from models_store.artifact import Answer
from training.errors import DataError, RunError
from training.publishing import adaptation, measured_model
from training.publishing.adaptation import CorrectionFolders, PairedAnswers


def both(only_now: int, only_before: int, same: int = 0) -> PairedAnswers:
    now = [True] * only_now + [False] * only_before + [True] * same
    before = [False] * only_now + [True] * only_before + [True] * same
    return PairedAnswers(torch.tensor(before), torch.tensor(now))


def test_a_difference_has_its_interval():
    found = both(7, 1, 12)
    assert (found.n, found.difference) == (20, pytest.approx(0.3))
    low, high = found.interval
    assert 0 < 0.3 - low < 0.3 + 0.3  # of 8 that differ
    assert high <= 8 / 20
    assert found.text("held out") == f"held out: 19 of 20 right, 13 before: +30.0 points (95%: {100 * low:+.1f} to {100 * high:+.1f})"


@pytest.mark.parametrize(
    ("held_out", "test", "against"),
    [
        (both(5, 0, 1), both(0, 0, 200), None),
        (both(7, 1), both(0, 1, 199), None),  # half a point
        (both(4, 0, 60), both(0, 0, 200), "not shown to be better than seedlings/1 on the corrections held out"),
        (both(6, 0), both(0, 2, 198), "loses more than 0.5 points on the test images of seedlings/1"),
        (both(2, 0), both(1, 9, 190), "held out and it loses more"),
    ],
)
def test_it_is_published_where_it_is_better_and_forgets_nothing(held_out, test, against):
    judged = adaptation.verdict("seedlings/1", held_out, test, "weights taken: 75% new", force=True, alike=False)
    assert judged.said[0].startswith("adapted from seedlings/1: corrections held out: ")
    assert judged.said[0].endswith("; weights taken: 75% new")
    if against is None:
        assert judged.forced is None
        assert adaptation.verdict("seedlings/1", held_out, test, "weights taken: 75% new", force=False, alike=False) == judged
        return
    assert against in str(judged.forced)
    with pytest.raises(RunError, match=against):
        adaptation.verdict("seedlings/1", held_out, test, "weights taken: 75% new", force=False, alike=False)


def test_a_gain_says_what_it_is_at_least():
    assert both(5, 0, 5).at_least == pytest.approx(0.5 * (2 * 0.05 ** (1 / 5) - 1))  # Clopper-Pearson of 5 of 5, one-sided, by hand
    assert both(5, 0, 5).text_of_gain("held out") == "held out: 10 of 10 right, 5 before: +50.0 points (95%: at least +4.9)"


def test_photos_that_either_has_learnt_from_do_not_count(published, images, parts):
    before = measured_model.of_artifact(published)
    every = images.only(list(range(len(images.files))))
    held_out, test = adaptation.compare(before, before, every, images.only(parts.test))
    assert held_out.n == len(images.files) - len(parts.train)
    assert (held_out.difference, test.n) == (0, len(parts.test))
    with pytest.raises(DataError, match="all corrections that are held out look like photos that were learnt from"):
        adaptation.compare(before, before, images.only(parts.train), images.only(parts.test))


def test_species_that_only_one_knows_are_wrong_of_the_other(published, images, parts):
    before = measured_model.of_artifact(published)
    index = images.species.index("Maize")
    renamed = ["Cleavers" if name == "Maize" else name for name in before.species]
    identity = before.identity.model_copy(update={"species": renamed})
    now = dataclasses.replace(before, identity=identity, answers=lambda pixels: Answer(before.probabilities(pixels), None))
    rows = [row for row in parts.test if images.labels[row] == index]
    shown = dataclasses.replace(images.only(rows), species=renamed if renamed[index] == "Cleavers" else images.species)
    found, _ = adaptation.compare(before, now, shown, images.only(parts.test))
    assert not found.before.any()


def test_the_version_in_service_is_the_store_s_and_else_the_shipped_one(published, tmp_path):
    assert adaptation.in_service(tmp_path, "seedlings") == store.resolve(store.SHIPPED_STORE, "seedlings")
    shutil.copytree(published, tmp_path / "seedlings" / "1")
    assert adaptation.in_service(tmp_path, "seedlings") == tmp_path / "seedlings" / "1"
    with pytest.raises(DataError, match="holds no version of 'mine'"):
        adaptation.in_service(tmp_path, "mine")


@pytest.mark.parametrize(("name", "other"), [store.SHIPPED_PAIR, store.SHIPPED_PAIR[::-1]])
def test_the_other_one_of_the_shipped_pair_is_put_beside_what_is_published(name, other, published, tmp_path):
    shipped = store.resolve(store.SHIPPED_STORE, name)
    shutil.copytree(shipped, tmp_path / name / shipped.name)
    assert adaptation.complete_pair(tmp_path, name) == tmp_path / other / "1"
    copied, source = store.verify(tmp_path / other / "1"), store.verify(store.resolve(store.SHIPPED_STORE, other))
    assert copied.files == source.files
    assert adaptation.complete_pair(tmp_path, name) is None  # now it is there
    assert adaptation.complete_pair(tmp_path / "empty", name) is None
    assert adaptation.complete_pair(tmp_path, "mine") is None
    shutil.copytree(published, tmp_path / "own" / "seedlings" / "1")
    assert adaptation.complete_pair(tmp_path / "own", "seedlings") is None  # of other species, which the second one does not know
    assert [*store.models(tmp_path / "own")] == ["seedlings"]


def test_the_model_is_taught_whose_answers_are_corrected():
    assert adaptation.to_teach("mine") == "mine"
    assert adaptation.to_teach("seedlings") == "seedlings"
    assert adaptation.to_teach("seedlings-field") == "seedlings"  # which then answers such photos itself
    assert adaptation.to_teach(None) == "seedlings"


def test_a_side_without_photos_is_refused(tmp_path):
    (tmp_path / "learn").mkdir()
    with pytest.raises(DataError, match="too few corrections"):
        CorrectionFolders.of(tmp_path, tmp_path / "cache", alike=False)
    (tmp_path / "held-out").mkdir()
    assert CorrectionFolders.of(tmp_path, tmp_path / "cache", alike=False).no_plants is None
