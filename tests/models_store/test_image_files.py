import os
from pathlib import Path

import pytest

from models_store import image_files


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def found(folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in image_files.find(folder)]


def test_images_of_the_whole_tree_by_any_case_of_suffix(tmp_path: Path) -> None:
    put(tmp_path, "b.JPG", "a/z.jfif", "a/b/y.jpe", "c.Heic", "notes.txt", "noend", "png", "a.png.txt")
    assert found(tmp_path) == ["a/b/y.jpe", "a/z.jfif", "b.JPG", "c.Heic"]


@pytest.mark.parametrize(
    "name",
    [".a.png", "._a.png", "@eaDir/a.png/b.jpg", ".thumbs/a.png", "x/.hidden/y/a.png", "Thumbs.db", "__MACOSX/a.png", "$RECYCLE.BIN/a.png"],
)
def test_what_programs_leave_behind_is_skipped(tmp_path: Path, name: str) -> None:
    put(tmp_path, name, "a.png")
    assert found(tmp_path) == ["a.png"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "a.png")
    put(tmp_path / "data", "b.png")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "dangling.png").symlink_to(tmp_path / "nowhere")
    assert found(tmp_path / "data") == ["b.png", "link/a.png"]


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    (file,) = image_files.find(tmp_path)
    assert file.is_file()
    assert image_files.printable(file.name) == r"caf\xe9.png"
    assert image_files.printable("Färberkamille.png") == "Färberkamille.png"
