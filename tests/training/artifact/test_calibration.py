import math

import pytest
import torch

from models_store.manifest import Species
from training.artifact import thresholds
from training.artifact.calibration import calibrate, fit_temperature

SPECIES = [Species(name=name) for name in "abcde"]


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
    assert fit_temperature(5 * torch.eye(5)[labels], labels) == pytest.approx(5 / math.log(101 * 4), rel=1e-3)  # 1 - 1 / 102 by hand


def test_few_right_answers_are_not_certain():
    labels = torch.arange(6).repeat(5)
    logits = 5 * torch.eye(6)[labels]
    assert (logits / fit_temperature(logits, labels)).softmax(1).amax(1).tolist() == pytest.approx([31 / 32] * 30, abs=1e-4)


def test_calibration_says_how_it_was_chosen_or_why_not():
    def calibrated(logits, labels, promise=0.99):
        temperature = fit_temperature(logits, labels)
        truth = [SPECIES[label] for label in labels.tolist()]
        probabilities = (logits / temperature).softmax(1)
        return calibrate(temperature, SPECIES, thresholds.held_out("validation images", probabilities, truth, None, promise))

    calibration = calibrated(*answers(temperature=2.0, spread=8))
    assert calibration.temperature == pytest.approx(2.0, rel=0.1)
    assert (calibration.promise, calibration.certainty, calibration.threshold_reason) == (0.99, 0.95, None)
    assert "at least 0.99 of the answers are right, with 95% certainty" in calibration.threshold_rule
    found = calibration.validation_answers
    assert calibration.validation_coverage == found.answered["species"] / found.n
    assert calibration.validation_accuracy == 1 - found.wrong["species"] / found.answered["species"] >= 0.99
    assert "species.toml" in calibration.kind.threshold_reason
    few = calibrated(*answers(n=26))
    assert (few.threshold, few.validation_coverage, few.validation_accuracy) == (None, 0, None)
    assert "26 validation images are too few" in few.threshold_reason
    assert "at least 299 answers without a mistake" in few.threshold_reason
    weak = calibrated(torch.zeros(1000, 5), torch.arange(5).repeat(200), 0.95)
    assert weak.threshold is None
    assert "over no threshold are enough of the 1000 validation images right" in weak.threshold_reason
    assert weak.threshold_reason.endswith("or promise less, such as --promise 0.9")  # less than was asked for
    weaker = calibrated(torch.zeros(1000, 5), torch.arange(5).repeat(200), 0.6)
    assert weaker.threshold_reason.endswith("Add images, or train further")
