"""Photo files in a folder and in another file system of fsspec."""

from pathlib import Path

import pytest

from corrections.errors import InvalidText, StorageUnavailable
from corrections.photos import PhotoFiles


@pytest.mark.parametrize("where", ["folder", "file", "memory"])
def test_written_read_and_removed(where: str, tmp_path: Path) -> None:
    url = {"folder": str(tmp_path / "photos"), "file": f"file://{tmp_path}/photos", "memory": f"memory://{tmp_path}"}[where]
    photos = PhotoFiles(url)
    for _ in range(2):  # it may be there already
        photos.write("abc.jpg", b"content")
        assert PhotoFiles(url).read("abc.jpg") == b"content"
    for _ in range(2):
        photos.remove("abc.jpg")
    with pytest.raises(StorageUnavailable, match="no such file"):
        photos.read("abc.jpg")


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    photos = PhotoFiles(f"file://{tmp_path}")
    photos.write("abc.jpg", b"content")
    for folder in (tmp_path, tmp_path / "ab"):
        (folder / ".writing-abcd1234").write_bytes(b"half")
    photos.remove_abandoned()
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["abc.jpg"]
    PhotoFiles(str(tmp_path / "not there yet")).remove_abandoned()
    PhotoFiles(f"memory://{tmp_path}").remove_abandoned()


def test_a_file_system_that_is_not_there_is_named() -> None:
    with pytest.raises(InvalidText, match="nonsense"):
        PhotoFiles("nonsense://bucket/photos")
