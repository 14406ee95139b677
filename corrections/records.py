"""A correction as it is handed in, and as it is kept."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from corrections.metadata import Photo

State = Literal["waiting", "accepted", "rejected"]
Source = Literal["person", "asked"]  # who chose the photo: a person who corrected it, or the service for a reviewer
Decision = Literal["accept", "reject", "undo"]
Box = tuple[float, float, float, float]  # x, y, width and height in pixels of the upright photo


@dataclass(frozen=True)
class StoredPrediction:
    """What the model in service said of the photo."""

    model: str  # NAME/VERSION
    species: str
    probability: float
    confident: bool
    ood_score: float | None  # None where the model does not measure it
    familiar: bool | None


@dataclass(frozen=True)
class NewCorrection:
    """A correction that is handed in."""

    photo: Photo
    species: str | None  # None: the model was unsure, and a person is asked
    said: StoredPrediction
    box: Box | None = None  # None: the central square of the photo
    note: str = ""
    plant: str = ""  # tells one plant from others: its photos stay together when training splits
    source: Source = "person"
    worth: float | None = None  # of a photo that the service chose: how much its label would teach, 0 to 1
    look: str | None = None  # of the same: 64 bits in hex


@dataclass(frozen=True)
class StoredCorrection:
    """A correction that is kept."""

    id: str
    version: int  # rises by one with each decision
    state: State
    species: str | None  # as a reviewer changed it, or as it was handed in
    handed_in: str | None  # the species as it was handed in
    said: StoredPrediction
    box: Box | None
    note: str
    plant: str
    source: Source
    sha256: str  # of the photo as it is kept
    suffix: str  # of its file
    taken: date  # the day of the photo, or the day it came
    created: datetime
    reviewer: str  # who decided last; empty while nobody has
    reviewed: datetime | None
    repeated: bool = False  # it was kept already, and was handed in once more
