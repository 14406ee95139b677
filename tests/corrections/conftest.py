"""Corrections in a database of each kind."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from corrections.database import Database
from corrections.metadata import Photo
from corrections.photos import PhotoFiles
from corrections.records import NewCorrection, StoredPrediction
from corrections.store import CorrectionStore, Quota
from tests.postgres import Server

SAID = StoredPrediction("seedlings/1", "Maize", 0.75, True, 3.5, True)
Open = Callable[..., CorrectionStore]


def png(colour: int) -> Photo:
    """A photo of one colour of 256."""
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), (colour, 0, 0)).save(stream, "PNG")
    return Photo(stream.getvalue(), ".png", None)


def new(colour: int = 0, species: str | None = "Sugar beet", **values: object) -> NewCorrection:
    return NewCorrection(png(colour), species, SAID, **values)  # type: ignore[arg-type]


def files(folder: Path) -> set[str]:
    """The names of the photo files."""
    return {file.name for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new, empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/corrections.db"
    server: Server = request.getfixturevalue("postgresql")
    return server.database()


@pytest.fixture
def opened(database_url: str, tmp_path: Path) -> Iterator[Open]:
    """Open the test's database; each call is a process of its own to it."""
    made: list[CorrectionStore] = []

    def begin(max_rows: int = 100, max_bytes: int = 10**6, keep_days: int | None = None) -> CorrectionStore:
        corrections = CorrectionStore(
            Database(database_url), PhotoFiles(f"file://{tmp_path}/photos"), Quota(max_rows, max_bytes, keep_days)
        )
        corrections.open()
        made.append(corrections)
        return corrections

    yield begin
    for corrections in made:
        corrections.close()
