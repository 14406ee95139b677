import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data import split
from training.errors import DataError

REPORT = [254, 376, 277, 589, 213, 458, 631, 213, 497, 223, 478, 371]  # images of each species


def make(counts, seed=0, twins=()):
    """A split of files named by species and number; `twins` are groups of rows with the same content."""
    files = [f"s{label}/{i}.png" for label, n in enumerate(counts) for i in range(n)]
    labels = [label for label, n in enumerate(counts) for _ in range(n)]
    digests = list(files)
    for group in twins:
        for row in group:
            digests[row] = digests[group[0]]
    return split.make(files, labels, digests, [f"s{label}" for label in range(len(counts))], seed), labels


def test_the_reports_numbers():
    parts, labels = make(REPORT)
    assert parts.counts() == {"train": 3264, "validation": 500, "test": 816}
    for name in split.SPLITS:
        shares = np.bincount([labels[row] for row in parts.rows(name)]) / len(parts.rows(name))
        assert np.abs(shares - np.array(REPORT) / 4580).max() < 0.003


def test_the_seed_decides_and_repeats():
    assert make(REPORT)[0] == make(REPORT)[0]
    assert make(REPORT, seed=1)[0].digest != make(REPORT)[0].digest


def test_twins_stay_together():
    twins = [[0, 1, 2], [300, 301]]
    for seed in range(20):
        parts, _ = make([254, 376, 277], seed, twins)
        for group in twins:
            assert sum(bool(set(group) & set(parts.rows(name))) for name in split.SPLITS) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(3, 60), min_size=2, max_size=8), st.integers(0, 3))
def test_every_row_once_and_every_species_everywhere(counts, seed):
    parts, labels = make(counts, seed)
    assert parts.rows("all") == list(range(sum(counts)))
    for name in split.SPLITS:
        assert {labels[row] for row in parts.rows(name)} == set(range(len(counts)))


def test_a_species_with_two_images_is_named():
    with pytest.raises(DataError, match="species s1 has fewer than 3"):
        make([20, 2])
    with pytest.raises(DataError, match="species s0 has fewer than 3"):
        make([4, 20], twins=[[0, 1, 2]])


def test_the_split_of_a_training_is_found_again_or_refused(images, parts):
    assert split.of_training(images, 0, parts.digest) == parts
    with pytest.raises(DataError, match="not the images of the training"):
        split.of_training(images, 1, parts.digest)


@pytest.mark.slow
def test_real_images_split_by_the_reports_rule(real_images, cache):
    from training.data.images import load

    images = load(real_images, cache)
    parts = split.of(images)
    assert parts.counts() == {"train": 3264, "validation": 500, "test": 816}
    where = {row: name for name in split.SPLITS for row in parts.rows(name)}
    for digest in {digest for digest in images.digests if images.digests.count(digest) > 1}:
        assert len({where[row] for row, one in enumerate(images.digests) if one == digest}) == 1
