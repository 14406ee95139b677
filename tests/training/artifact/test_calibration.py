import pytest
import torch

from training.artifact.calibration import calibrate, choose_threshold, fit_temperature


def answers(n=4000, temperature=1.0, seed=0):
    """Logits whose softmax at `temperature` is the true chance of each label."""
    random = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, 5, generator=random)
    labels = torch.multinomial(logits.softmax(1), 1, generator=random)[:, 0]
    return logits * temperature, labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_true_temperature_is_found(temperature):
    assert fit_temperature(*answers(temperature=temperature)) == pytest.approx(temperature, rel=0.08)


def test_all_right_answers_do_not_run_away():
    labels = torch.arange(5).repeat(20)
    assert 0.05 <= fit_temperature(5 * torch.eye(5)[labels], labels) < 0.5


def test_the_threshold_keeps_its_promise():
    logits, labels = answers()
    probabilities = logits.softmax(1)
    threshold, coverage, accuracy = choose_threshold(probabilities, labels)
    confident = probabilities.max(1).values >= threshold
    assert accuracy >= 0.99
    assert confident.float().mean() == pytest.approx(coverage)
    assert (probabilities.argmax(1) == labels)[confident].float().mean() == pytest.approx(accuracy)
    assert 0.05 < coverage < 0.9


def test_without_hope_nothing_is_confident():
    assert choose_threshold(torch.full((10, 4), 0.25), torch.full((10,), 3)) == (1.0, 0.0, 0.0)


def test_all_right_answers_are_all_confident():
    labels = torch.arange(4)
    assert choose_threshold(torch.eye(4) * 0.9 + 0.025, labels)[1:] == (1.0, 1.0)


def test_calibration_says_how_it_was_chosen():
    calibration = calibrate(*answers(temperature=2.0))
    assert calibration.temperature == pytest.approx(2.0, rel=0.1)
    assert "99%" in calibration.threshold_rule
