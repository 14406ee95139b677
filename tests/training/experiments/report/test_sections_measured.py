"""What the sections make of a model's answers."""

import dataclasses

import pytest
import torch

from training.experiments.report import measured, sections_measured
from training.publishing import measured_model


@pytest.mark.parametrize("right", [0, 4])
def test_sections_of_answers_that_are_all_or_never_right(images, learnt, tmp_path, right):
    found = measured.of_run(learnt, images, "test")
    answers = torch.where(torch.arange(len(found.rows)) < right, found.labels, (found.labels + 1) % 3)
    found = dataclasses.replace(found, probabilities=torch.nn.functional.one_hot(answers, 3).float())
    bodies = {title: str(make(found, tmp_path)) for title, make in sections_measured.SECTIONS.items()}
    n = len(found.rows)
    assert f"{n - right} of {n} test images are answered wrongly" in bodies["The worst mistakes"]
    assert f"accuracy {right / n:.2%}" in bodies["Species by species"]
    assert "export divides its logits by a temperature" in bodies["Are the probabilities honest?"]
    assert "lies on what is green" in bodies["What it looked at"]


def test_a_version_without_halves_says_so(images, learnt, tmp_path):
    found = dataclasses.replace(measured.of_run(learnt, images, "test"), explain=None)
    assert "without the two halves" in sections_measured.looked_at(found, tmp_path)


def test_an_unfamiliar_photo_is_not_called_confident(images, published, tmp_path):
    found = measured.of_artifact(published, images)
    calibration = found.calibration.model_copy(update={"threshold": 0.5, "threshold_reason": None})
    sure = torch.nn.functional.one_hot(found.labels, 3).float()
    half = torch.arange(len(found.rows)) < len(found.rows) // 2
    told = dataclasses.replace(found, probabilities=sure, calibration=calibration, familiar=half)
    said = f"called confident: {len(found.rows) // 2 / len(found.rows):.1%} of the test images, 100.0% of them right"
    assert said in str(sections_measured.reliability(told, tmp_path))
    limit = found.calibration.familiarity.limit
    far = measured_model.of_artifact(published).answers(images.pixels[found.rows]).distances > limit
    assert found.familiar.tolist() == (~far).tolist()
