"""The version that a new one takes the place of, on the same images."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models_store import store
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
