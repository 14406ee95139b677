"""Near duplicates across the split: test images that look like an image trained or validated on.

Byte-identical files are kept on one side by the split itself. What is left are photos of one plant taken moments or days
apart, which any random split of these images tears apart.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training.data.images import Images
from training.data.split import Split

THUMBNAIL = 24  # pixels a side: enough for the leaves and the larger stones, too few for noise and focus
NEAR = 0.9  # correlation from which on every pair that was looked at shows one plant
THRESHOLDS = (0.95, NEAR, 0.85, 0.8, 0.7)  # lower ones take more and more pairs that are only alike, so err on the safe side
_BATCH = 256


@dataclass(frozen=True)
class Neighbour:
    """A test image and the most similar image of the other parts."""

    row: int
    other: int
    similarity: float  # correlation, -1 to 1


def neighbours(images: Images, split: Split) -> list[Neighbour]:
    """For each test image its nearest neighbour outside the test part, in the order of `split.test`.

    Similarity is the correlation of colour thumbnails, each channel's mean removed, the largest over the eight turns and
    mirror images of the test image: a perceptual fingerprint that brightness and contrast do not move.
    """
    others = sorted(split.train + split.validation)
    fingerprints = _unit(_thumbnails(images.pixels[others]))  # [M,d]
    thumbnails = _thumbnails(images.pixels[split.test])  # [N,3,24,24]
    best = torch.full((len(thumbnails), len(others)), -1.0)
    for flipped in (thumbnails, thumbnails.flip(-1)):
        for turns in range(4):
            best = torch.maximum(best, _unit(torch.rot90(flipped, turns, (2, 3))) @ fingerprints.T)  # [N,M]
    similarity, nearest = best.max(1)
    found = zip(split.test, nearest.tolist(), similarity.tolist(), strict=True)
    return [Neighbour(row, others[column], round(value, 4)) for row, column, value in found]


def summary(found: list[Neighbour], right: list[bool]) -> list[dict[str, float]]:
    """For each threshold: test images at or over it, and the accuracy without them; `right` is per test image."""
    rows = []
    for threshold in THRESHOLDS:
        kept = [correct for neighbour, correct in zip(found, right, strict=True) if neighbour.similarity < threshold]
        rows.append(
            {
                "threshold": threshold,
                "near_duplicates": len(found) - len(kept),
                "kept": len(kept),
                "accuracy_without": sum(kept) / max(1, len(kept)),
            }
        )
    return rows


def document(images: Images, split: Split, probabilities: Tensor, measured: str) -> dict[str, Any]:
    """The result file: counts and accuracies by threshold, and the near pairs by file name.

    probabilities float [N,species] of the test images in the order of `split.test`; `measured` names the model.
    """
    found = neighbours(images, split)
    right = (probabilities.argmax(1) == images.labels[split.test]).tolist()
    part = {row: name for name in ("train", "validation") for row in split.rows(name)}
    pairs = sorted((one for one in found if one.similarity >= NEAR), key=lambda one: -one.similarity)
    return {
        "model": measured,
        "measure": f"largest correlation of {THUMBNAIL}×{THUMBNAIL} colour thumbnails over eight orientations",
        "split_digest": split.digest,
        "test_images": len(right),
        "accuracy": sum(right) / len(right),
        "thresholds": summary(found, right),
        "pairs": [
            {"test": images.files[one.row], "other": images.files[one.other], "in": part[one.other], "similarity": one.similarity}
            for one in pairs
        ],
    }


def _thumbnails(pixels: Tensor) -> Tensor:
    """uint8 [N,3,S,S] → float32 [N,3,24,24]."""
    return torch.cat([F.adaptive_avg_pool2d(batch.float(), THUMBNAIL) for batch in torch.split(pixels, _BATCH)])


def _unit(thumbnails: Tensor) -> Tensor:
    """[N,3,h,w] → [N,3·h·w], each channel's mean removed, length 1; an even image, which is like nothing, gives zeros."""
    centred = thumbnails - thumbnails.mean((2, 3), keepdim=True)
    return F.normalize(centred.flatten(1))
