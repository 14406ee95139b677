"""The version that a new one takes the place of, on the same images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models_store import store
from models_store.manifest import Calibration, Manifest
from training.artifact import binomial
from training.data.images import Images
from training.errors import TrainingError
from training.publishing import measured_model


@dataclass(frozen=True)
class Comparison:
    """Right answers of both to the same images."""

    name: str  # of the version before
    n: int
    ours: int
    theirs: int
    only_ours: int  # images that the version before answers wrongly
    only_theirs: int


def compare(destination: Path, name: str, answers: Tensor, images: Images, tested: Images) -> Comparison | None:
    """How answers [N,species], in the images' order of species, to those `tested` compare with those of the newest `name` in a store.

    None where there is no version, or none of them shows a species that it knows and did not learn from. `images` may be
    those of its training. Raises TrainingError naming a file that cannot be used.
    """
    if not store.versions(destination, name):
        return None
    before = measured_model.of_artifact(store.resolve(destination, name))
    learnt = before.provenance(images).learnt.holds(tested.records)
    shown = [tested.species[label] for label in tested.labels.tolist()]
    asked = [row for row, species in enumerate(shown) if species in before.species and not learnt[row]]
    if not asked:
        return None
    theirs = before.probabilities(tested.pixels[asked]).argmax(1).tolist()
    right_theirs = torch.tensor([before.species[answer] == shown[row] for answer, row in zip(theirs, asked, strict=True)])
    right_ours = (answers.argmax(1) == tested.labels)[asked]
    return Comparison(
        before.name,
        len(asked),
        int(right_ours.sum()),
        int(right_theirs.sum()),
        int((right_ours & ~right_theirs).sum()),
        int((right_theirs & ~right_ours).sum()),
    )


_FROM_A_FIELD = "were chosen on photos from a field, too"


def without_field_lost(warnings: Sequence[str]) -> list[str]:
    """The warnings but for that of `field_lost`, which is to be found anew when thresholds are."""
    return [one for one in warnings if _FROM_A_FIELD not in one]


def field_lost(before: Manifest, now: Calibration | None) -> str | None:
    """What to say where thresholds of the version before were chosen on photos from a field, too, and those of `now` are not."""
    if before.calibration.field_promise is None or (now is not None and now.field_promise is not None):
        return None
    photos = ", ".join(name for name, found in before.elsewhere.items() if found.chosen_by and not found.parts)
    return (
        f"thresholds of {before.name}/{before.version} {_FROM_A_FIELD} ({photos}), and these were not, so they may not hold there;"
        " 'recalibrate --field NAME=DIR' chooses them on such photos"
    )


def warning_of_field(destination: Path, name: str, now: Calibration) -> str | None:
    """The same beside the newest version of a store. One that cannot be read is told by `warning`."""
    try:
        return field_lost(store.read_manifest(store.resolve(destination, name)), now)
    except store.StoreError:
        return None


def warning(destination: Path, name: str, answers: Tensor, images: Images, tested: Images, part: str = "test") -> str | None:
    """What to say where the version before answers more of these images rightly, or cannot be asked; `part` is what they are called."""
    try:
        found = compare(destination, name, answers, images, tested)
    except (store.StoreError, TrainingError) as error:
        return f"it was not compared with the version before: {error}"
    if found is None or found.theirs <= found.ours:
        return None
    return (
        f"it is worse than {found.name}, which it takes the place of: of {found.n} {part} images that {found.name} has not learnt from it"
        f" answers {found.ours} rightly and {found.name} {found.theirs}; between two that are equally good such a difference comes about in"
        f" {binomial.percent(binomial.by_chance(found.only_ours, found.only_theirs))} of cases"
    )
