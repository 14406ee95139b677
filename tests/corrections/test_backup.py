"""Backup and restore as docs/operating.md tells it, in each kind of database."""

import shutil
import sqlite3
from pathlib import Path

import psycopg
import pytest

from corrections.database import Database
from corrections.photos import PhotoFiles
from corrections.store import CorrectionStore, Quota
from tests.corrections.conftest import Open, new, png


def copied(url: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A copy of a database, by its own means: the URL."""
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as source, sqlite3.connect(tmp_path / "copy.db") as copy:
            source.backup(copy)
        source.close()
        copy.close()
        return f"sqlite:///{tmp_path}/copy.db"
    server = request.getfixturevalue("postgresql")
    dump = server.program("pg_dump", "--inserts", "--no-owner", url)
    restored = str(server.database())
    with psycopg.connect(restored, autocommit=True) as connection:
        connection.execute("\n".join(line for line in dump.split("\n") if not line.startswith("\\")))
    return restored


def test_what_was_backed_up_is_there_again(opened: Open, database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    corrections = opened()
    kept = [corrections.add(new(colour, note="it's; two\nlines")) for colour in range(3)]
    decided = corrections.review(kept[0].id, 1, "accept", "Ada", "Charlock")
    copy = copied(database_url, tmp_path, request)
    corrections.add(new(9))  # comes between the two
    shutil.copytree(tmp_path / "photos", tmp_path / "copied photos")
    restored = CorrectionStore(Database(copy), PhotoFiles(str(tmp_path / "copied photos")), Quota(100, 10**6))
    restored.open()
    restored.sweep()
    assert restored.get(kept[0].id) == decided
    assert restored.waiting() == kept[1:]
    assert [restored.photo(one.id)[0] for one in kept] == [png(colour).content for colour in range(3)]
    undone = restored.review(kept[0].id, decided.version, "undo", "Bob")
    assert undone.species == kept[0].species
    restored.close()
