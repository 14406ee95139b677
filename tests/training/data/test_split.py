import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.data import split
from training.errors import DataError
from training.recipe import Recipe

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
    recipe = Recipe(network="tiny", epochs=1)
    assert split.of_training(images, recipe, parts.digest) == parts
    for changed in ({"split_seed": 1}, {"split": "content"}):
        with pytest.raises(DataError, match="not the images of the training"):
            split.of_training(images, recipe.model_copy(update=changed), parts.digest)


def by_content(counts, seed=0):
    """The parts of images by their digests: (species, digest) → part."""
    images = [(label, f"{label}-{i}") for label, n in enumerate(counts) for i in range(n)]
    return placed(images, len(counts), seed)


def placed(images, species, seed=0):
    names = [f"s{label}" for label in range(species)]
    parts = split.by_content([label for label, _ in images], [digest for _, digest in images], names, seed)
    return {images[row]: name for name in split.SPLITS for row in parts.rows(name)}


def test_by_content_an_added_image_moves_no_other():
    before, after = by_content([300, 40, 90]), by_content([320, 47, 91])
    assert all(after[image] == part for image, part in before.items())
    names = list(before.values())
    assert [round(names.count(name) / len(names), 1) for name in split.SPLITS] == [0.7, 0.1, 0.2]


def test_by_content_names_and_species_of_the_files_change_nothing():
    images = [(i % 2, f"digest {i}") for i in range(200)]
    moved = [(1 - label, digest) for label, digest in images]
    assert [*placed(images, 2).values()] == [*placed(moved, 2).values()]
    assert placed(images, 2) != placed(images, 2, seed=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(3, 60), min_size=2, max_size=6), st.integers(0, 3), st.integers(0, 20))
def test_by_content_every_species_stands_in_every_part_and_few_images_move(counts, seed, added):
    before, after = by_content(counts, seed), by_content([n + added for n in counts], seed)
    for label, n in enumerate(counts):
        own = {image: part for image, part in before.items() if image[0] == label}
        assert set(own.values()) == set(split.SPLITS)
        moved = {image: (part, after[image]) for image, part in own.items() if after[image] != part}
        if n >= 20:
            assert len(moved) <= 2  # one that stood in for an empty part goes back
        if n >= 7:
            assert all(part != "train" for part, _ in moved.values())  # nothing learnt from is measured on


def test_by_content_twins_stay_together():
    images = [(0, f"{i // 2}") for i in range(60)] + [(1, f"x{i}") for i in range(9)]
    parts = split.by_content([label for label, _ in images], [digest for _, digest in images], ["s0", "s1"])
    for row in range(0, 60, 2):
        assert [name for name in split.SPLITS if row in parts.rows(name)] == [name for name in split.SPLITS if row + 1 in parts.rows(name)]


def test_by_content_a_species_with_two_images_is_named():
    with pytest.raises(DataError, match="species s1 has fewer than 3"):
        by_content([20, 2])


@pytest.mark.slow
def test_real_images_split_by_the_reports_rule(real_images, cache):
    from training.data.images import load

    images = load(real_images, cache)
    parts = split.of(images)
    assert parts.counts() == {"train": 3264, "validation": 500, "test": 816}
    where = {row: name for name in split.SPLITS for row in parts.rows(name)}
    for digest in {digest for digest in images.digests if images.digests.count(digest) > 1}:
        assert len({where[row] for row, one in enumerate(images.digests) if one == digest}) == 1


@pytest.mark.parametrize("folds", [2, 5])
def test_folds_share_out_train_and_validation(images, folds):
    parts = split.of(images)
    found = [split.fold(images, parts, number, folds) for number in range(1, folds + 1)]
    assert sorted(row for one in found for row in one.validation) == sorted(parts.train + parts.validation)
    assert len({one.digest for one in found} | {parts.digest}) == folds + 1
    for one in found:
        assert one.test == parts.test
        assert sorted(one.train + one.validation) == sorted(parts.train + parts.validation)
        of_species = images.labels[one.validation].bincount(minlength=3)
        assert of_species.max() - of_species.min() <= 1  # as many of each, since there are as many


def test_less_to_learn_from_is_a_share_of_each_species_and_part_of_more(images, parts):
    half, quarter = (parts.thinned(images, share) for share in (0.5, 0.25))
    assert set(quarter.train) < set(half.train) < set(parts.train)
    assert (half.validation, half.test, half.digest) == (parts.validation, parts.test, parts.digest)
    labels = images.labels.tolist()
    for species in range(len(images.species)):
        of_species, kept = (sum(labels[row] == species for row in rows) for rows in (parts.train, half.train))
        assert kept == -(-of_species // 2)
    assert parts.thinned(images, 1.0) == parts


def test_twins_stay_in_one_fold(images):
    parts = split.of(images)
    first, second = parts.train[0], next(row for row in parts.train[1:] if images.labels[row] == images.labels[parts.train[0]])
    digests = list(images.digests)
    digests[second] = digests[first]
    twins = type(images)(images.species, images.files, images.pixels, images.labels, digests)
    for number in (1, 2, 3):
        held = split.fold(twins, parts, number, 3).validation
        assert (first in held) == (second in held)


@pytest.mark.parametrize("rule", ["report", "content"])
def test_species_without_images_change_nothing(images, rule):
    """A model that has learnt a species from corrections knows more of them than the folder of its first training shows."""
    more = dataclasses.replace(images, species=[*images.species, "Cleavers"])
    assert split.of(more, rule=rule) == split.of(images, rule=rule)
    assert split.too_small(more.labels.tolist(), more.digests, more.species) == []
