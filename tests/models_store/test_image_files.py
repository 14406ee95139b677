import os
import socket
import tempfile
from pathlib import Path

import pytest

from models_store import image_files


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def found(folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in image_files.find(folder).files]


def test_images_of_the_whole_tree_by_any_case_of_suffix(tmp_path: Path) -> None:
    put(tmp_path, "b.JPG", "a/z.jfif", "a/b/y.jpe", "c.Heic", "notes.txt", "noend", "png", "a.png.txt")
    assert found(tmp_path) == ["a/b/y.jpe", "a/z.jfif", "b.JPG", "c.Heic"]
    assert image_files.find(tmp_path).others == {".txt": 2, "no suffix": 2}


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
    (tmp_path / "data" / "itself").symlink_to("itself")
    assert found(tmp_path / "data") == ["b.png", "link/a.png"]


def test_a_folder_stands_under_its_own_path_before_that_of_a_link(tmp_path: Path) -> None:
    """Its name is the species of its images."""
    put(tmp_path / "z", "a.png")
    put(tmp_path / "b" / "deep" / "deeper", "c.png")
    (tmp_path / "a").symlink_to(tmp_path / "z")
    (tmp_path / "b" / "a").symlink_to(tmp_path / "z")
    (tmp_path / "b" / "link").symlink_to(tmp_path / "b" / "deep" / "deeper")
    assert found(tmp_path) == ["b/deep/deeper/c.png", "z/a.png"]


def test_what_is_no_file_under_the_name_of_an_image_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "folder.png/b.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "itself.jpg").symlink_to("itself.jpg")
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(tmp_path / "socket.webp"))
        walked = image_files.find(tmp_path)
    assert [file.name for file in walked.files] == ["a.png", "b.png"]
    assert {file.name for file in walked.problems} == {"dangling.png", "itself.jpg", "pipe.png", "socket.webp"}


def test_a_folder_that_cannot_be_listed_is_named() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        put(folder, "a/a.png", "b/b.png", "c/c.png")
        (folder / "b").chmod(0)
        (folder / "c").chmod(0o644)  # its names can be read, its files cannot be reached
        was = os.geteuid()
        try:
            if was == 0:  # whom no mode stops
                os.seteuid(65_534)
            walked = image_files.find(folder)
            with pytest.raises(PermissionError):
                image_files.find(folder / "b")
        finally:
            os.seteuid(was)
            (folder / "b").chmod(0o755)
            (folder / "c").chmod(0o755)
    assert [file.relative_to(folder).as_posix() for file in walked.files] == ["a/a.png", "c/c.png"]
    assert {path.name: reason for path, reason in walked.problems.items()} == {"b": "cannot be listed (Permission denied)"}


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    (file,) = image_files.find(tmp_path).files
    assert file.is_file()
    assert image_files.printable(file.name) == r'"caf\xe9.png"'


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("Färberkamille.png", "Färberkamille.png"),
        (r'a\nb "c".png', r'a\nb "c".png'),
        ("a\nb.png", r'"a\nb.png"'),
        ('a\n\\n".png', r'"a\n\\n\".png"'),
        ("a\x1b[31m\u2028c\x7f", r'"a\x1b[31m\u2028c\x7f"'),
        ("a\u202egpj.exe", r'"a\u202egpj.exe"'),
        ("می\u200cخواهم.png", "می\u200cخواهم.png"),
    ],
)
def test_names_are_printed_so_that_they_steer_no_terminal_and_are_told_apart(name: str, printed: str) -> None:
    assert image_files.printable(name) == printed
