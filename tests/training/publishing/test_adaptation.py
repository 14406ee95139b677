"""Whether what was learnt from corrections is better. The command itself: tests/training/cli/test_adapt.py."""

import shutil

import pytest
import torch

from models_store import store
from training.errors import DataError, RunError
from training.publishing import adaptation
from training.publishing.adaptation import CorrectionFolders
from training.publishing.paired_answers import Answered, PairedAnswers


def both(only_now: int, only_before: int, same: int = 0) -> PairedAnswers:
    """Answers without doubt."""
    now = [True] * only_now + [False] * only_before + [True] * same
    before = [False] * only_now + [True] * only_before + [True] * same
    return PairedAnswers(*(Answered(torch.tensor(right), 2.0 * ~torch.tensor(right)) for right in (before, now)))


@pytest.mark.parametrize(
    ("corrected", "test", "against"),
    [
        (both(5, 0, 1), both(0, 0, 200), None),
        (both(7, 1), both(0, 1, 199), None),  # half a point
        (both(4, 0, 60), both(0, 0, 200), "not shown to be better than seedlings/1 on the corrections"),
        (both(6, 0), both(0, 2, 198), "loses more than 0.5 points on the test images of seedlings/1"),
        (both(2, 0), both(1, 9, 190), "on the corrections and it loses more"),
    ],
)
def test_it_is_published_where_it_is_better_and_forgets_nothing(corrected, test, against):
    judged = adaptation.verdict("seedlings/1", corrected, test, "weights taken: 75% new", force=True, alike=False)
    assert judged.said[0].startswith("adapted from seedlings/1: corrections not learnt from: ")
    assert judged.said[0].endswith("; weights taken: 75% new")
    if against is None:
        assert judged.forced is None
        assert adaptation.verdict("seedlings/1", corrected, test, "weights taken: 75% new", force=False, alike=False) == judged
        return
    assert against in str(judged.forced)
    with pytest.raises(RunError, match=against):
        adaptation.verdict("seedlings/1", corrected, test, "weights taken: 75% new", force=False, alike=False)


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


def test_the_model_is_taught_whose_answers_are_corrected(tmp_path):
    assert adaptation.to_teach(tmp_path, "mine", ["Oat"]) == "mine"
    assert adaptation.to_teach(tmp_path, "seedlings", ["Oat"]) == "seedlings"
    assert adaptation.to_teach(tmp_path, "seedlings-field", ["Maize", "Fat Hen"]) == "seedlings-field"
    assert adaptation.to_teach(tmp_path, "seedlings-field", ["Maize", "Oat"]) == "seedlings"  # the second one would be asked no more
    assert adaptation.to_teach(tmp_path, None, ["Maize"]) == "seedlings"


def test_a_side_without_photos_is_refused(tmp_path):
    (tmp_path / "learn").mkdir()
    with pytest.raises(DataError, match="too few corrections"):
        CorrectionFolders.of(tmp_path, tmp_path / "cache", alike=False, groups={})
    (tmp_path / "held-out").mkdir()
    assert CorrectionFolders.of(tmp_path, tmp_path / "cache", alike=False, groups={}).no_plants is None
