"""What an engine is: it has blocks of photos answered, here or in a cluster, and hands each part on once."""

from dataclasses import dataclass
from typing import Any, Protocol

from service.cli.archive.photos import Photos
from service.cli.archive.results import Part
from service.cli.archive.tables import Kind
from service.cli.remote import Look
from service.inference.detector import DetectionOptions
from service.settings import Settings

LANES = 2  # blocks that a worker has at a time: while the last photos of one are computed, the next one has begun
Identity = dict[str, Any]  # which models a worker has


@dataclass(frozen=True)
class Task:
    """What is asked of each photo."""

    plants: DetectionOptions | None  # what is wanted of the plants of each photo; None: it is one plant
    look: Look
    kind: Kind
    base: str  # the folder in which relative paths begin

    @property
    def detect(self) -> bool:
        """Whether there is a row for each plant, not one for each photo."""
        return self.plants is not None


@dataclass(frozen=True)
class Cluster:
    """Which cluster, and what of it."""

    address: str | None = None  # None: the one of this machine; where there is none, one is started
    workers: int | None = None  # None: as many as its cores have room for
    worker_cpus: int | None = None  # cores of a worker; None: 2, or 1 where no node has 2


class Failed(Exception):
    """The engine cannot go on; the message says what to do."""


class Work(Protocol):
    """What an engine asks of its caller."""

    def begin(self, models: Identity) -> list[int]:
        """The blocks to be answered by these models. Raises Refused or NotWritten."""

    def write(self, number: int, part: Part) -> None:
        """Keep the part of a block; from any thread. Raises NotWritten."""

    def step(self, photos: int) -> None:
        """So many more photos are answered."""

    def tell(self, sentence: str) -> None:
        """Say something to the user."""


class Engine(Protocol):
    """Raises Failed, a ServiceError of the models, and what `work` raises."""

    def __call__(self, settings: Settings, task: Task, photos: Photos, work: Work) -> None:
        """Have the blocks answered that `work` wants."""
