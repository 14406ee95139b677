"""A version beside the one that it takes the place of."""

import shutil

import pytest
import torch.nn.functional as F

from models_store import store
from training.publishing import predecessor


@pytest.fixture
def before(published, tmp_path):
    """A store that holds the version `published`."""
    shutil.copytree(published, tmp_path / "seedlings" / "1")
    return tmp_path


def one_hot(images, rows, wrong=0):
    """Answers to the test images, the first of them wrong."""
    answers = images.labels[rows].clone()
    answers[:wrong] = (answers[:wrong] + 1) % len(images.species)
    return F.one_hot(answers, len(images.species)).float()


def test_the_same_images_are_counted(before, images, parts, published):
    found = predecessor.compare(before, "seedlings", one_hot(images, parts.test, wrong=2), images, images.only(parts.test))
    assert (found.name, found.n, found.ours) == ("seedlings/1", len(parts.test), len(parts.test) - 2)
    assert found.ours - found.theirs == found.only_ours - found.only_theirs
    assert found.only_ours <= found.ours


def test_a_worse_one_is_said_to_be(before, images, parts):
    good = predecessor.compare(before, "seedlings", one_hot(images, parts.test), images, images.only(parts.test))
    assert predecessor.warning(before, "seedlings", one_hot(images, parts.test), images, images.only(parts.test)) is None
    said = predecessor.warning(before, "seedlings", one_hot(images, parts.test, len(parts.test)), images, images.only(parts.test))
    assert said.startswith("it is worse than seedlings/1, which it takes the place of")
    assert f"answers 0 rightly and seedlings/1 {good.theirs};" in said


def test_nothing_before_is_nothing_to_compare_with(images, parts, tmp_path):
    assert predecessor.compare(tmp_path, "seedlings", one_hot(images, parts.test), images, images.only(parts.test)) is None


def test_what_it_has_learnt_from_does_not_count(before, images, parts):
    answers = one_hot(images, parts.train)
    assert predecessor.compare(before, "seedlings", answers, images, images.only(parts.train)) is None


def test_species_go_by_their_names(before, images, parts):
    turned = images.species[::-1]
    other = type(images)(turned, images.files, images.pixels, len(turned) - 1 - images.labels, images.digests)
    straight = predecessor.compare(before, "seedlings", one_hot(images, parts.test), images, images.only(parts.test))
    assert predecessor.compare(before, "seedlings", one_hot(other, parts.test), other, other.only(parts.test)) == straight


def test_thresholds_that_are_no_longer_chosen_in_a_field_are_said(tmp_path):
    folder = store.resolve(store.SHIPPED_STORE, "seedlings")
    with_field = store.read_manifest(folder)
    without = with_field.calibration.model_copy(update={"field_promise": None})
    said = predecessor.warning_of_field(store.SHIPPED_STORE, "seedlings", without)
    assert said is not None
    assert said.startswith(
        "thresholds of seedlings/3 were chosen on photos from a field, too (beets, wheat, wheat patches), and these were not"
    )
    assert predecessor.field_lost(with_field, None) == said
    assert predecessor.warning_of_field(store.SHIPPED_STORE, "seedlings", with_field.calibration) is None
    assert predecessor.field_lost(with_field.model_copy(update={"calibration": without}), None) is None
    assert predecessor.warning_of_field(tmp_path, "seedlings", without) is None
    assert predecessor.without_field_lost(["few images", said]) == ["few images"]


def test_a_version_that_cannot_be_read_is_named(before, images, parts):
    (before / "seedlings" / "1" / "model.pt").write_bytes(b"torn")
    said = predecessor.warning(before, "seedlings", one_hot(images, parts.test), images, images.only(parts.test))
    assert said.startswith("it was not compared with the version before: ")
