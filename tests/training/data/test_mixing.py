"""Two sets of images as one."""

import dataclasses

import torch

from training.data import mixing
from training.data.images import Images


def of(species, labels, first=0):
    n = len(labels)
    digests = [f"{first + i:064x}" for i in range(n)]
    return Images(species, [f"{i}.png" for i in range(n)], torch.zeros(n, 3, 150, 150, dtype=torch.uint8), torch.tensor(labels), digests)


def test_new_species_come_last_and_few_corrections_are_seen_often(images, parts):
    corrected = of(["Beet", images.species[1]], [0, 1, 1], first=10**9)
    both, mixed = mixing.mixed(images, parts, corrected)
    n = len(images.files)
    assert both.species == [*images.species, "Beet"]
    assert both.labels.tolist() == [*images.labels.tolist(), len(images.species), 1, 1]
    assert both.files[n:] == ["corrections/0.png", "corrections/1.png", "corrections/2.png"]
    assert (mixed.validation, mixed.test, mixed.digest) == (parts.validation, parts.test, parts.digest)
    rows = [row for row in mixed.train if row >= n]
    assert [row for row in mixed.train if row < n] == parts.train
    times = round(len(parts.train) / 2 / 3)  # a third of all that is learnt from
    assert sorted(rows) == sorted([n, n + 1, n + 2] * times)
    assert mixed.counts()["train"] == len(parts.train) + 3  # each counted once


def test_one_correction_is_not_seen_without_end(images, parts):
    many = dataclasses.replace(parts, train=parts.train * 50)
    _, mixed = mixing.mixed(images, many, of([images.species[0]], [0], first=10**9))
    assert len(mixed.train) - len(many.train) == mixing.MOST


def test_what_people_say_of_an_original_counts(images, parts):
    row = parts.train[0]
    corrected = Images(["Beet"], ["0.png"], images.pixels[[row]], torch.tensor([0]), [images.digests[row]])
    both, mixed = mixing.mixed(images, parts, corrected)
    assert row not in mixed.train
    assert {both.species[both.labels[one]] for one in mixed.train if both.digests[one] == images.digests[row]} == {"Beet"}


def test_the_digest_tells_which_photos_are_of_which_species():
    one, other = of(["Beet", "Maize"], [0, 1]), of(["Maize", "Rye", "Beet"], [2, 0])
    assert mixing.digest(one) == mixing.digest(other) == mixing.digest(one.only([1, 0]))
    assert len({mixing.digest(found) for found in (one, of(["Beet", "Maize"], [0, 0]), one.only([0]))}) == 3
