"""Answers of runs and versions."""

import dataclasses

import pytest
import torch

from training.errors import DataError
from training.experiments.report import measured


def test_a_run_and_its_version_answer_alike(images, parts, learnt, published):
    run, version = measured.of_run(learnt, images, "test"), measured.of_artifact(published, images)
    assert run.rows == version.rows == parts.test
    assert run.right == version.right
    assert (run.calibration, run.name, version.name) == (None, "run", "seedlings/1")
    assert measured.of_run(learnt, images, "validation").rows == parts.validation
    pixels, answers = images.pixels[parts.test], version.probabilities.argmax(1)
    assert torch.allclose(run.explain(pixels, answers), version.explain(pixels, answers), atol=1e-4)


def test_a_photo_is_titled_by_its_species_and_a_wrong_answer(images, parts, learnt):
    found = measured.of_run(learnt, images, "test")
    names, species = images.species, int(found.labels[0])
    told = dataclasses.replace(found, probabilities=torch.eye(len(names))[[species]] * 0.75)
    assert told.title(0) == f"{names[species]}\n75%"
    other = (species + 1) % len(names)
    told = dataclasses.replace(found, probabilities=torch.eye(len(names))[[other]] * 0.75)
    assert told.title(0) == f"{names[species]}\n75% → {names[other]}"


def test_other_species_are_refused(images, published):
    other = type(images)(["a", "b", "c"], images.files, images.pixels, images.labels, images.digests)
    with pytest.raises(DataError, match="other species"):
        measured.of_artifact(published, other)
