"""Two versions asked about the same photos."""

import dataclasses

import pytest
import torch

from models_store.artifact import Answer
from training.artifact import binomial
from training.publishing import measured_model
from training.publishing.paired_answers import Answered, PairedAnswers


def both(only_now: int, only_before: int, same: int = 0) -> PairedAnswers:
    """Answers without doubt."""
    now = [True] * only_now + [False] * only_before + [True] * same
    before = [False] * only_now + [True] * only_before + [True] * same
    return PairedAnswers(*(Answered(torch.tensor(right), 2.0 * ~torch.tensor(right)) for right in (before, now)))


def test_a_difference_has_its_interval():
    found = both(7, 1, 12)
    assert (found.n, found.difference) == (20, pytest.approx(0.3))
    low, high = found.interval
    assert 0 < 0.3 - low < 0.3 + 0.3  # of 8 that differ
    assert high <= 8 / 20
    assert found.text("held out") == f"held out: 19 of 20 right, 13 before: +30.0 points (95%: {100 * low:+.1f} to {100 * high:+.1f})"


@pytest.mark.parametrize(
    ("only_now", "only_before", "same", "chance"),
    [
        (5, 0, 1, 2 / 64),  # all 64 signs: those of the five that differ, whatever that of the sixth
        (4, 0, 0, 1 / 16),
        (7, 1, 0, 9 / 256),
        (9, 2, 3, 67 / 2048),
        (0, 3, 2, 1),
    ],
)
def test_how_often_a_gain_comes_about_by_chance(only_now, only_before, same, chance):
    found = both(only_now, only_before, same)
    assert found.chance == pytest.approx(chance)
    # Of answers without doubt it is McNemar's exact test, one-sided.
    assert found.chance == pytest.approx(binomial.chance_of_at_least(only_now, only_now + only_before, 0.5))
    assert found.better() == (chance <= 0.05)


def test_probabilities_tell_more_than_right_answers():
    right = torch.ones(20, dtype=torch.bool)
    before, now = torch.linspace(0.2, 0.6, 20).double(), torch.linspace(0.02, 0.06, 20).double()
    found = PairedAnswers(Answered(right, before), Answered(right, now))
    assert found.chance == pytest.approx(1e-5, rel=0.01)  # of 99,999 drawn signs and the ones found
    assert found.better()
    assert found.text_of_gain("corrections") == (
        "corrections: 20 of 20 right, 20 before: +0.0 points; Brier score 0.04, 0.40 before (by chance: under 1%)"
    )
    fewer = right.clone()
    fewer[0] = False
    assert not PairedAnswers(Answered(right, before), Answered(fewer, now)).better()  # surer, but wrong more often


@pytest.mark.slow
def test_two_that_are_equally_good_pass_in_one_of_twenty_cases():
    draw = torch.Generator().manual_seed(0)
    passed = 0
    for _ in range(400):
        scores = 2 * torch.rand(2, 12, generator=draw, dtype=torch.float64) ** 3  # mostly good answers, a few bad ones
        passed += PairedAnswers(Answered(scores[0] < 1, scores[0]), Answered(scores[0] < 1, scores[1])).chance <= 0.05
    assert 8 <= passed <= 34  # 20 are expected; outside of this in one of a thousand cases


def test_the_score_is_the_squared_distance_from_the_truth(published, images):
    model = measured_model.of_artifact(published)
    some = images.only([0, 5, 9])
    probabilities = model.probabilities(some.pixels).double()
    truth = torch.nn.functional.one_hot(some.labels, len(images.species))
    answered = Answered.of(model, some)
    assert torch.allclose(answered.brier, ((probabilities - truth) ** 2).sum(1))
    assert answered.right.tolist() == (probabilities.argmax(1) == some.labels).tolist()


def test_species_that_only_one_knows_are_wrong_of_the_other(published, images, parts):
    before = measured_model.of_artifact(published)
    index = images.species.index("Maize")
    renamed = ["Cleavers" if name == "Maize" else name for name in before.species]
    identity = before.identity.model_copy(update={"species": renamed})
    now = dataclasses.replace(before, identity=identity, answers=lambda pixels: Answer(before.probabilities(pixels), None))
    rows = [row for row in parts.test if images.labels[row] == index]
    shown = dataclasses.replace(images.only(rows), species=renamed if renamed[index] == "Cleavers" else images.species)
    found = PairedAnswers.of(before, now, shown)
    assert found.n == len(rows) > 0
    assert not found.before.right.any()
    assert (found.before.brier >= 1).all()


def test_answers_to_several_sets_are_counted_together(published, images):
    before = measured_model.of_artifact(published)
    none = PairedAnswers.of(before, before, images.only([]))
    assert none.n == 0
    assert (
        PairedAnswers.together([both(3, 1), none, both(2, 0, 4)]).n,
        PairedAnswers.together([both(3, 1), both(2, 0, 4)]).difference,
    ) == (10, 0.4)
