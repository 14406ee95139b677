"""The narrowest statement about a photo that can be relied upon: its species, else the kind, else the group of that species.

A kind is as probable as its species together. So where two grasses are hard to tell apart, "a grass weed" may be sure. Training
chooses thresholds by this module, and the service answers by it: the two cannot differ.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from models_store.manifest import RANKS, Calibration, Group, Rank, Species

DIGITS = 7  # of a probability: all that float32 holds


class Statement(NamedTuple):
    """What is said of a photo."""

    rank: Rank
    name: str
    probability: float  # of its species together, rounded to `DIGITS`


def name_at(species: Species, rank: Rank) -> str | None:
    """The name of a species, of its kind or of its group; None where the model does not know it."""
    return {"species": species.name, "kind": species.kind, "group": species.group}[rank]


def statement(species: Sequence[Species], rank: Rank, probabilities: Sequence[float]) -> Statement | None:
    """What would be said at one rank: that of the most probable species. None where this species has no name of that rank."""
    name = name_at(species[max(range(len(species)), key=probabilities.__getitem__)], rank)
    if name is None:
        return None
    total = math.fsum(share for one, share in zip(species, probabilities, strict=True) if name_at(one, rank) == name)
    return Statement(rank, name, min(1.0, round(total, DIGITS)))


def group_of(species: Sequence[Species], said: Statement) -> Group | None:
    """The group that a statement implies; None where its species have none, or several."""
    groups = {one.group for one in species if name_at(one, said.rank) == said.name}
    return groups.pop() if len(groups) == 1 else None


def narrowest(
    species: Sequence[Species], calibration: Calibration, probabilities: Sequence[float], *, least: float = 0.0
) -> Statement | None:
    """The statement of the narrowest rank that reaches its threshold, and `least`; None where none does."""
    for rank in RANKS:
        threshold = calibration.threshold_of(rank)
        said = None if threshold is None else statement(species, rank, probabilities)
        if threshold is not None and said is not None and said.probability >= max(threshold, least):
            return said
    return None
