"""Asks a Seedlings service which plant seedlings are on photos.

    with Client("http://localhost:8000") as client:
        answer = client.predict("photo.jpg")

`AsyncClient` has the same methods for asyncio. What goes wrong is a `SeedlingsError`: a `Problem` that the service told of, or
`NoAnswer`.
"""

from .client import AsyncClient, Client
from .errors import NoAnswer, Problem, SeedlingsError
from .generated.models import (
    Answer,
    Detected,
    DetectedPlant,
    Health,
    ModelName,
    RetentionPolicy,
    SpeciesEntry,
    SpeciesList,
    Statement,
    StatementRank,
)
from .generated.types import UNSET, Unset
from .requests import Explanation, Photo
from .version import __version__

__all__ = [
    "UNSET",
    "Answer",
    "AsyncClient",
    "Client",
    "Detected",
    "DetectedPlant",
    "Explanation",
    "Health",
    "ModelName",
    "NoAnswer",
    "Photo",
    "Problem",
    "RetentionPolicy",
    "SeedlingsError",
    "SpeciesEntry",
    "SpeciesList",
    "Statement",
    "StatementRank",
    "Unset",
    "__version__",
]
