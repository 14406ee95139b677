"""Images of a model's training and corrections of its answers as one set, so that the old is not forgotten over the new."""

import hashlib
from dataclasses import replace

import torch

from training.data.images import Images
from training.data.split import Split

SHARE = 1 / 3  # of what is learnt from that are corrections
MOST = 40  # times that a correction is seen in an epoch, each time changed by chance


def mixed(originals: Images, parts: Split, corrected: Images) -> tuple[Images, Split]:
    """Both as one set, and its split: corrections are learnt from, several times an epoch where they are few.

    Validation and test are the originals' own, as is the split's digest. Species that only corrections show come last, so a model's
    outputs stay in their order. Where an original is among the corrections, what people say of it counts.
    """
    species = [*originals.species, *(name for name in corrected.species if name not in originals.species)]
    place = torch.tensor([species.index(name) for name in corrected.species])
    images = Images(
        species,
        [*originals.files, *(f"corrections/{file}" for file in corrected.files)],
        torch.cat([originals.pixels, corrected.pixels]),
        torch.cat([originals.labels, place[corrected.labels]]),
        [*originals.digests, *corrected.digests],
    )
    said = set(corrected.digests)
    train = [row for row in parts.train if originals.digests[row] not in said]
    times = min(MOST, max(1, round(SHARE / (1 - SHARE) * len(train) / len(corrected.files))))
    rows = [len(originals.files) + row for row in range(len(corrected.files))]
    return images, replace(parts, train=train + times * rows)


def digest(corrected: Images) -> str:
    """SHA-256 of the corrections, which photos are of which species, in whatever order."""
    said = zip(corrected.digests, (corrected.species[label] for label in corrected.labels.tolist()), strict=True)
    return hashlib.sha256("\n".join(sorted(" ".join(one) for one in said)).encode()).hexdigest()
