"""Folders of whole files. Object stores: tests/corrections/test_object_store.py and tests/service/cli/archive/test_archive.py."""

import os
from pathlib import Path

import pytest

from models_store.file_storage import FileStorage, UnknownFileSystem


def test_files_come_and_go(tmp_path: Path) -> None:
    place = FileStorage(str(tmp_path / "new" / "folder"))
    assert place.names() == []
    place.write("b", b"1")
    place.write("a/deep", b"2")
    place.write("b", b"3")
    assert place.names() == ["a", "b"]
    assert (place.read("b"), place.read("a/deep")) == (b"3", b"2")
    place.remove("b")
    place.remove("b")  # gone already
    with pytest.raises(FileNotFoundError):
        place.read("b")


def test_what_is_being_written_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / ".writing-abcdefgh").write_bytes(b"half")
    place = FileStorage(str(tmp_path))
    assert place.names() == []
    place.write("whole", b"1")  # what a killed writer left goes
    assert [file.name for file in tmp_path.iterdir()] == ["whole"]


def test_a_folder_is_looked_through_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each file of an archive would cost more than the one before."""
    looks, scandir = [], os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looks.append(Path(path)) or scandir(path))
    place = FileStorage(str(tmp_path))
    for name in ("a", "b", "deep/a", "deep/b", "c"):
        place.write(name, b"1")
    own = [path for path in looks if path.is_relative_to(tmp_path)]  # a service of other tests may look through its store meanwhile
    assert own == [tmp_path, tmp_path / "deep"]


def test_a_url_that_nothing_reads() -> None:
    with pytest.raises(UnknownFileSystem, match="nowhere"):
        FileStorage("nowhere://bucket")
