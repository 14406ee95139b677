"""The split into train, validation and test: stratified, seeded, by the report's rule, twins on one side."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.data.images import Images
from training.errors import DataError

SPLITS = ("train", "validation", "test")
_REPORT_IMAGES, _REPORT_VALIDATION = 4_580, 500


@dataclass(frozen=True)
class Split:
    """Row numbers of each part, ascending, and a digest of which file went where."""

    train: list[int]
    validation: list[int]
    test: list[int]
    digest: str

    def rows(self, name: str) -> list[int]:
        """The rows of one part, or of `all`."""
        return sorted(self.train + self.validation + self.test) if name == "all" else list(getattr(self, name))

    def counts(self) -> dict[str, int]:
        """Part → number of images."""
        return {name: len(self.rows(name)) for name in SPLITS}


def sizes(images: int) -> tuple[int, int]:
    """How many images to validate and to test on: 500 and a fifth of the rest, fewer to validate in a smaller set."""
    validation = min(_REPORT_VALIDATION, round(images * _REPORT_VALIDATION / _REPORT_IMAGES))
    return validation, round((images - validation) / 5)


def of(images: Images, seed: int = 0) -> Split:
    """The split of a decoded data folder. Raises DataError for a species too small to stand in each part."""
    return make(images.files, images.labels.tolist(), images.digests, images.species, seed)


def of_training(images: Images, seed: int, digest: str) -> Split:
    """The split that something was trained on, from its seed and digest. Raises DataError when the images are others."""
    found = of(images, seed)
    if found.digest != digest:
        raise DataError(
            "these are not the images of the training, so its split is unknown here and could leak; "
            "give the folder it was trained on, or measure all of them with 'evaluate --split all'"
        )
    return found


def make(files: Sequence[str], labels: Sequence[int], digests: Sequence[str], species: Sequence[str], seed: int = 0) -> Split:
    """Split rows 0…N-1 so that each species keeps its share in every part and byte-identical files stay together.

    Depends on the file names, labels and seed alone. Raises DataError for a species too small to stand in each part.
    """
    per_species = [np.flatnonzero(np.asarray(labels) == label).tolist() for label in range(len(species))]
    if small := too_small(labels, digests, species):
        raise DataError("; ".join(map(too_few_images, small)))
    counts = [len(rows) for rows in per_species]
    validation, test = sizes(len(files))
    validation_quota = _apportion(validation, counts)
    test_quota = _apportion(test, [count - quota for count, quota in zip(counts, validation_quota, strict=True)])
    parts: dict[str, list[int]] = {name: [] for name in SPLITS}
    for label, rows in enumerate(per_species):
        room = {"validation": validation_quota[label], "test": test_quota[label]}
        for group in _shuffled_twins(rows, files, digests, np.random.default_rng([seed, label])):
            part = next((name for name, free in room.items() if len(group) <= free), "train")
            parts[part] += group
            if part in room:
                room[part] -= len(group)
    ordered = {name: sorted(rows) for name, rows in parts.items()}
    return Split(**ordered, digest=_digest(ordered, files))


def too_small(labels: Sequence[int], digests: Sequence[str], species: Sequence[str]) -> list[str]:
    """The species with too few different images to stand in each part."""
    different = Counter(label for label, _ in set(zip(labels, digests, strict=True)))
    return [name for label, name in enumerate(species) if different[label] < len(SPLITS)]


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


def _digest(parts: dict[str, list[int]], files: Sequence[str]) -> str:
    lines = [f"{name}\t{files[row]}" for name, rows in parts.items() for row in rows]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
