import numpy as np
import pytest
import torch
from scipy import stats

from training.artifact.calibration import calibrate, choose_threshold, fit_temperature


def answers(n=4000, temperature=1.0, seed=0, spread=3):
    """Logits whose softmax at `temperature` is the true chance of each label."""
    random = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(n, 5, generator=random)
    labels = torch.multinomial(logits.softmax(1), 1, generator=random)[:, 0]
    return logits * temperature, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_true_temperature_is_found(temperature):
    assert fit_temperature(*answers(temperature=temperature)) == pytest.approx(temperature, rel=0.08)


def test_all_right_answers_do_not_run_away():
    labels = torch.arange(5).repeat(20)
    assert 0.05 <= fit_temperature(5 * torch.eye(5)[labels], labels) < 0.5


def sure_of(right, wrong, n_species=4):
    """Probabilities and labels: right answers first, the surest first, then wrong ones that are less sure."""
    n = right + wrong
    highest = torch.linspace(0.99, 0.6, n, dtype=torch.float64)
    probabilities = torch.cat([highest[:, None], ((1 - highest) / (n_species - 1))[:, None].expand(-1, n_species - 1)], 1)
    return probabilities, torch.tensor([0] * right + [1] * wrong)


@pytest.mark.parametrize("promise", [0.99, 0.95])
def test_the_threshold_is_the_lowest_whose_bound_reaches_the_promise(promise):
    logits, labels = answers(spread=8)
    probabilities = logits.softmax(1)
    threshold, n, right = choose_threshold(probabilities, labels, promise)
    highest, answered = probabilities.max(1)
    confident = highest >= threshold
    assert int(confident.sum()) == n
    assert int((answered == labels)[confident].sum()) == right
    assert 0.05 < n / len(labels) < 0.95

    def bound(right, n):
        return stats.binomtest(right, n, alternative="greater").proportion_ci(0.95, method="exact").low

    assert bound(right, n) >= promise
    order = highest.argsort(descending=True)
    right_of = (answered == labels)[order].cumsum(0)
    assert not any(bound(int(right_of[m - 1]), m) >= promise for m in range(n + 1, len(labels) + 1))


@pytest.mark.parametrize(("promise", "least"), [(0.99, 299), (0.95, 59)])
def test_too_few_answers_give_no_threshold(promise, least):
    assert choose_threshold(*sure_of(least - 1, 0), promise) == (None, 0, 0)
    threshold, n, right = choose_threshold(*sure_of(least, 0), promise)
    assert (n, right) == (least, least)
    assert 0.6 - 1e-5 < threshold < 0.6


def test_what_is_less_sure_than_the_last_confident_answer_stays_out():
    probabilities, labels = sure_of(59, 1)
    threshold, n, _ = choose_threshold(probabilities, labels, 0.95)
    assert n == 59
    assert probabilities.max(1).values[58] > threshold > probabilities.max(1).values[59]


def test_answers_that_are_equally_sure_are_confident_together_or_not_at_all():
    labels = torch.tensor([0] * 320 + [1] * 30)
    assert choose_threshold(torch.tensor([[0.9, 0.1]]).expand(350, 2), labels) == (None, 0, 0)


def test_the_promise_is_kept_as_often_as_it_says():
    random = np.random.default_rng(0)
    broken = 0
    for _ in range(400):  # answers whose probability is the chance that they are right
        highest = torch.from_numpy(random.beta(5, 0.5, 500)).clamp(0.5, 1)
        labels = torch.from_numpy(random.random(500)) > highest
        threshold, n, _ = choose_threshold(torch.stack([highest, 1 - highest], 1), labels.long(), 0.95)
        broken += n > 0 and float(highest[highest >= threshold].mean()) < 0.95
    assert 0 < broken <= 0.05 * 400


def test_without_hope_nothing_is_confident():
    assert choose_threshold(torch.full((1000, 4), 0.25), torch.full((1000,), 3)) == (None, 0, 0)


def test_calibration_says_how_it_was_chosen_or_why_not():
    calibration = calibrate(*answers(temperature=2.0, spread=8))
    assert calibration.temperature == pytest.approx(2.0, rel=0.1)
    assert (calibration.promise, calibration.certainty, calibration.threshold_reason) == (0.99, 0.95, None)
    assert "at least 0.99 of the answers are right, with 95% certainty" in calibration.threshold_rule
    few = calibrate(*answers(n=26))
    assert (few.threshold, few.validation_coverage, few.validation_accuracy) == (None, 0, None)
    assert "26 validation images are too few" in few.threshold_reason
    assert "at least 299 answers without a mistake" in few.threshold_reason
    weak = calibrate(torch.zeros(1000, 4), torch.arange(4).repeat(250), 0.95)
    assert weak.threshold is None
    assert "over no threshold are enough of the 1000 validation answers right" in weak.threshold_reason
