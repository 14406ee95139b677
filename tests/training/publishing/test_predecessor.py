"""A version beside the one that it takes the place of."""

import shutil

import pytest
import torch.nn.functional as F

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


def test_a_version_that_cannot_be_read_is_named(before, images, parts):
    (before / "seedlings" / "1" / "model.pt").write_bytes(b"torn")
    said = predecessor.warning(before, "seedlings", one_hot(images, parts.test), images, images.only(parts.test))
    assert said.startswith("it was not compared with the version before: ")
