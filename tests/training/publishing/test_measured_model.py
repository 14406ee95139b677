"""A run and a published version behind one interface."""

import pytest
import torch

from training.data.images import Images
from training.errors import DataError, RunError, TrainingError
from training.publishing import measured_model


def test_a_run_and_what_it_was_published_as_answer_alike(learnt, published, images, parts):
    of_run, of_artifact = measured_model.of(learnt, None), measured_model.of(None, published)
    assert (of_run.name, of_artifact.name) == ("test.tiny.0", "seedlings/1")
    assert of_run.species == of_artifact.species == images.species
    assert of_run.split(images) == of_artifact.split(images) == parts
    pixels = images.pixels[parts.test]
    ours, theirs = of_run.answers(pixels), of_artifact.answers(pixels)
    assert ours.distances is None
    assert theirs.distances.shape == (len(pixels),)
    logits = of_run.probabilities(pixels).log() / of_artifact.calibration.temperature  # up to a constant for each image
    assert torch.allclose(logits.softmax(1), theirs.probabilities, atol=1e-4)


def test_labels_are_counted_in_the_order_of_its_answers(published, images):
    measured = measured_model.of_artifact(published)
    turned = Images(images.species[::-1], images.files, images.pixels, len(images.species) - 1 - images.labels, images.digests)
    ordered = measured.in_order(turned)
    assert ordered.species == images.species
    assert torch.equal(ordered.labels, images.labels)
    some = measured.in_order(Images(["Maize"], images.files[:1], images.pixels[:1], torch.tensor([0]), images.digests[:1]))
    assert some.labels.tolist() == [images.species.index("Maize")]


def test_a_species_that_it_does_not_know_is_named(published, images):
    other = Images([*images.species, "Nettle"], images.files, images.pixels, images.labels, images.digests)
    with pytest.raises(DataError, match="does not know the species Nettle; it knows Charlock, Maize"):
        measured_model.of_artifact(published).in_order(other)


def test_images_of_another_split_are_refused(learnt, images):
    fewer = Images(images.species, images.files[:-1], images.pixels[:-1], images.labels[:-1], images.digests[:-1])
    with pytest.raises(DataError, match="not the images of the training"):
        measured_model.of_run(learnt).split(fewer)


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(RunError, match="is no run"):
        measured_model.of(tmp_path, None)
    with pytest.raises(TrainingError, match=r"manifest\.json is missing"):
        measured_model.of(None, tmp_path)
