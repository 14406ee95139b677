"""How many answers can be relied upon by the thresholds, and how many of these are wrong."""

from models_store import rollup
from models_store.manifest import RANKS, AnswerFigures, Calibration, Species
from training.artifact.thresholds import HeldOutAnswers


def figures(species: list[Species], calibration: Calibration, photos: HeldOutAnswers) -> AnswerFigures:
    """How many photos are answered at each rank, how many of these wrongly, and how many crops are called weeds."""
    answered, wrong = dict.fromkeys(RANKS, 0), dict.fromkeys(RANKS, 0)
    crops = crops_called_weeds = 0
    group_of = {one.name: one.group for one in species}
    for row, truth, familiar in zip(photos.probabilities, photos.truth, photos.familiar, strict=True):
        crops += truth.group == "crop"
        said = rollup.narrowest(species, calibration, row) if familiar else None
        if said is None:
            continue
        answered[said.rank] += 1
        wrong[said.rank] += said.name != rollup.name_at(truth, said.rank)
        group = group_of[said.name] if said.rank == "species" else said.name.split()[-1]  # a kind ends in its group
        crops_called_weeds += (truth.group, group) == ("crop", "weed")
    return AnswerFigures(n=len(photos.truth), answered=answered, wrong=wrong, crops=crops, crops_called_weeds=crops_called_weeds)
