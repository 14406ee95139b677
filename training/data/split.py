"""The split into train, validation and test. Twins, files of the same bytes, stay together; each species stands in every part.

By the *report*'s rule the counts are those of the report, and each species keeps its share. They depend on all file names, so an
added image moves others. By *content* a hash of each file decides alone, so an added image moves no other. Only where a species has
none in a part, the nearest one is taken.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from training.data.images import Images
from training.errors import DataError
from training.recipe import Recipe, SplitRule

SPLITS = ("train", "validation", "test")
_REPORT_IMAGES, _REPORT_VALIDATION = 4_580, 500
_TEST, _VALIDATION = 0.18, 0.11  # shares by content: the report's, in round numbers


@dataclass(frozen=True)
class Split:
    """Row numbers of each part, ascending, and a digest of which file went where."""

    train: list[int]
    validation: list[int]
    test: list[int]
    digest: str
    left_out: dict[str, int] = field(default_factory=dict)  # part → images that went there and are left out of figures
    fold: tuple[int, int] | None = None  # this fold of so many, counted from 1; None: no fold

    def rows(self, name: str) -> list[int]:
        """The rows of one part, or of `all`."""
        return sorted(self.train + self.validation + self.test) if name == "all" else list(getattr(self, name))

    def counts(self) -> dict[str, int]:
        """Part → number of images, each counted once."""
        return {name: len(set(self.rows(name))) for name in SPLITS}

    def without(self, rows: set[int]) -> "Split":
        """The split with these rows left out of validation and test."""
        validation, test = ([row for row in part if row not in rows] for part in (self.validation, self.test))
        left_out = {"validation": len(self.validation) - len(validation), "test": len(self.test) - len(test)}
        return replace(self, validation=validation, test=test, left_out={name: n for name, n in left_out.items() if n})

    def thinned(self, images: Images, share: float) -> "Split":
        """The split with a share of each species' training images, at least one. A smaller share is a part of a larger one."""
        by_species: dict[int, list[int]] = {}
        for row in sorted(self.train, key=lambda row: (_place(images.digests[row], b"share"), row)):
            by_species.setdefault(int(images.labels[row]), []).append(row)
        return replace(self, train=sorted(row for rows in by_species.values() for row in rows[: math.ceil(share * len(rows))]))


def sizes(images: int) -> tuple[int, int]:
    """How many images to validate and to test on: 500 and a fifth of the rest, fewer to validate in a smaller set."""
    validation = min(_REPORT_VALIDATION, round(images * _REPORT_VALIDATION / _REPORT_IMAGES))
    return validation, round((images - validation) / 5)


def of(images: Images, seed: int = 0, rule: SplitRule = "report") -> Split:
    """The split of a decoded data folder. Raises DataError for a species too small to stand in each part."""
    labels = images.labels.tolist()
    if rule == "content":
        return by_content(labels, images.digests, images.species, seed)
    return make(images.files, labels, images.digests, images.species, seed)


def of_recipe(images: Images, recipe: Recipe) -> Split:
    """The split that a recipe asks for. Raises DataError."""
    return of(images, recipe.split_seed, recipe.split)


def fold(images: Images, split: Split, number: int, folds: int) -> Split:
    """Fold 1…`folds`: of the images in train and validation every so-many-th of each species is validated on, the rest learnt from.

    The test images stay what they are. Files of the same bytes stay together.
    """
    pool, labels = split.train + split.validation, images.labels.tolist()
    held: set[tuple[int, str]] = set()
    for label in range(len(images.species)):
        own = {images.digests[row] for row in pool if labels[row] == label}
        ordered = sorted(own, key=lambda digest: _place(digest, b"folds"))
        held.update((label, digest) for digest in ordered[number - 1 :: folds])
    validated = {row for row in pool if (labels[row], images.digests[row]) in held}
    train, validation = sorted(set(pool) - validated), sorted(validated)
    digest = _sha256([split.digest, f"fold {number} of {folds}"])
    return Split(train, validation, list(split.test), digest, fold=(number, folds))


def of_training(images: Images, recipe: Recipe, digest: str, part: tuple[int, int] | None = None) -> Split:
    """The split, or the fold `part` of it, that something was trained on, from its recipe and digest. Raises DataError for other images."""
    found = of_recipe(images, recipe)
    if part is not None:
        found = fold(images, found, *part)
    if found.digest != digest:
        raise DataError(
            "these are not the images of the training, so which of them it was tested on is not known; give the folder it was trained"
            " on, or measure with 'evaluate --split all', which leaves out every image that was learnt from"
        )
    return found


def by_content(labels: Sequence[int], digests: Sequence[str], species: Sequence[str], seed: int = 0) -> Split:
    """Split rows 0…N-1 by a hash of each image's SHA-256, keyed by the seed: about 18% test and 11% validation.

    Where a species has no image in a part, the one whose hash is nearest to it goes there, as happens with fewer than about 20. So an
    added image moves no other one, but in a species that has none in some part yet. Raises DataError for a species too small.
    """
    _refuse_small(labels, digests, species)
    key = f"split {seed}".encode()
    part: dict[tuple[int, str], str] = {}
    for label in sorted(set(labels)):
        own = {digest for one, digest in zip(labels, digests, strict=True) if one == label}
        places = sorted((_place(digest, key), digest) for digest in own)
        tests = min(max(1, sum(place < _TEST for place, _ in places)), len(places) - 2)
        held = min(max(tests + 1, sum(place < _TEST + _VALIDATION for place, _ in places)), len(places) - 1)
        for rank, (_, digest) in enumerate(places):
            part[label, digest] = "test" if rank < tests else "validation" if rank < held else "train"
    parts: dict[str, list[int]] = {name: [] for name in SPLITS}
    for row, image in enumerate(zip(labels, digests, strict=True)):
        parts[part[image]].append(row)
    lines = sorted(f"{name}\t{species[labels[row]]}\t{digests[row]}" for name, rows in parts.items() for row in rows)
    return Split(parts["train"], parts["validation"], parts["test"], _sha256(lines))


def make(files: Sequence[str], labels: Sequence[int], digests: Sequence[str], species: Sequence[str], seed: int = 0) -> Split:
    """Split rows 0…N-1 so that each species keeps its share in every part and byte-identical files stay together.

    Depends on the file names, labels and seed alone. Raises DataError for a species too small to stand in each part.
    """
    shown = sorted(set(labels))  # a model may know more species than these images show
    per_species = [np.flatnonzero(np.asarray(labels) == label).tolist() for label in shown]
    _refuse_small(labels, digests, species)
    counts = [len(rows) for rows in per_species]
    validation, test = sizes(len(files))
    validation_quota = _apportion(validation, counts)
    test_quota = _apportion(test, [count - quota for count, quota in zip(counts, validation_quota, strict=True)])
    parts: dict[str, list[int]] = {name: [] for name in SPLITS}
    for at, (label, rows) in enumerate(zip(shown, per_species, strict=True)):
        room = {"validation": validation_quota[at], "test": test_quota[at]}
        for group in _shuffled_twins(rows, files, digests, np.random.default_rng([seed, label])):
            part = next((name for name, free in room.items() if len(group) <= free), "train")
            parts[part] += group
            if part in room:
                room[part] -= len(group)
    ordered = {name: sorted(rows) for name, rows in parts.items()}
    digest = _sha256([f"{name}\t{files[row]}" for name, rows in ordered.items() for row in rows])
    return Split(ordered["train"], ordered["validation"], ordered["test"], digest)


def too_small(labels: Sequence[int], digests: Sequence[str], species: Sequence[str]) -> list[str]:
    """The species with too few different images to stand in each part; not those with none."""
    different = Counter(label for label, _ in set(zip(labels, digests, strict=True)))
    return [name for label, name in enumerate(species) if 0 < different[label] < len(SPLITS)]


def _refuse_small(labels: Sequence[int], digests: Sequence[str], species: Sequence[str]) -> None:
    if small := too_small(labels, digests, species):
        raise DataError("; ".join(map(too_few_images, small)))


def too_few_images(species: str) -> str:
    """What to say of a species that is too small."""
    return f"species {species} has fewer than {len(SPLITS)} different images; train, validation and test need one each"


def _apportion(total: int, counts: Sequence[int]) -> list[int]:
    """Seats by largest remainder, at least one each, at most all but one image of a species."""
    ideal = [total * count / sum(counts) for count in counts]
    seats = [min(max(1, int(share)), count - 1) for share, count in zip(ideal, counts, strict=True)]
    while sum(seats) < total and any(seat < count - 1 for seat, count in zip(seats, counts, strict=True)):
        seats[max((i for i in range(len(seats)) if seats[i] < counts[i] - 1), key=lambda i: ideal[i] - seats[i])] += 1
    return seats


def _shuffled_twins(rows: Sequence[int], files: Sequence[str], digests: Sequence[str], random: np.random.Generator) -> list[list[int]]:
    groups: dict[str, list[int]] = {}
    for row in sorted(rows, key=lambda row: files[row]):
        groups.setdefault(digests[row], []).append(row)
    ordered = list(groups.values())
    return [ordered[i] for i in random.permutation(len(ordered))]


def _place(digest: str, key: bytes) -> float:
    """Where an image stands between 0 and 1, as if drawn at random."""
    return int.from_bytes(hashlib.blake2b(digest.encode(), key=key, digest_size=8).digest(), "big") / 2**64


def _sha256(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
