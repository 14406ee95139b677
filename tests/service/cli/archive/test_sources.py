"""Which photos sources name."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cli.archive.photos import TooManyPhotos
from service.cli.archive.reading import BadSource
from service.cli.archive.sources import find
from tests import object_store


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("east/2.jpg", "east/1.JPG", "east/deep/3.png", "west/4.png", "west/notes.txt", "west/.hidden.png", "west/a[1].png"):
        (tmp_path / "fields" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fields" / name).write_bytes(b"")
    return tmp_path


def names(*sources: str) -> list[str]:
    photos, problems = find(sources, block=2)
    assert problems == []
    return [name for number in range(photos.blocks) for name in photos.block(number)]


EAST = ["fields/east/1.JPG", "fields/east/2.jpg", "fields/east/deep/3.png"]
WEST = ["fields/west/4.png", "fields/west/a[1].png"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("sources", "found"),
    [
        (["fields"], EAST + WEST),
        (["./fields/west/", "fields/east"], WEST + EAST),
        (["fields/*"], EAST + WEST),
        (["fields/**/*.png"], ["fields/east/deep/3.png", *WEST]),
        (["fields/**"], EAST + WEST),
        (["f*/**/*.png"], ["fields/east/deep/3.png", *WEST]),
        (["./**/east/**"], EAST),
        (["fields/we?t/*"], WEST),
        (["fields/west/a[1].png"], ["fields/west/a[1].png"]),
        (["fields/west/4.png", "fields/west/4.png"], ["fields/west/4.png"] * 2),
    ],
)
def test_paths(sources: list[str], found: list[str]) -> None:
    assert names(*sources) == found


def test_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "fields" / "west")
    assert names(".") == ["4.png", "a[1].png"]


def test_a_list_names_sources(folder: Path) -> None:
    lines = ["# of monday", "", "fields/west", "  fields/east/*.jpg ", "missing.png", "https://example.org/a?b=[1]", "s3://bucket/key.jpg"]
    (folder / "list.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\r\n")
    assert names("list.txt") == [*WEST, "fields/east/2.jpg", *lines[4:]]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("fields/west\n".encode("utf-16"), "holds a line that is no name.*UTF-8 text, a source a line"),
        (b"a" * 10_000, "holds a line that is no name"),
        (b"ftp://host/a.png\n", "ftp:// is not read"),
        (b"zip://a.png::https://host/b.zip\n", "zip:// is not read"),
    ],
)
def test_a_list_that_is_none(content: bytes, said: str) -> None:
    Path("list.txt").write_bytes(content)
    with pytest.raises(BadSource, match=said):
        find(["list.txt"], block=2)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("source", ["none", "none/*.jpg", "fields/*.jpg", "none.txt", "empty.txt", "empty"])
def test_nothing_is_there(source: str) -> None:
    Path("empty.txt").write_text("# nothing\n")
    Path("empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no photos|does not exist"):
        find([source], block=2)


@pytest.mark.usefixtures("folder")
def test_what_cannot_be_looked_at_is_told() -> None:
    os.symlink("nowhere", "fields/east/link.png")
    photos, problems = find(["fields"], block=2)
    assert len(photos) == 5
    assert problems == ["fields/east/link.png has the name of an image, but is no file, or a link to none"]


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("source", ["fields", "fields/**/*.[jJp]*", "*/**"])
def test_links_to_folders_above_are_followed_once(source: str) -> None:
    for name in ("one", "two"):
        os.symlink("..", f"fields/east/{name}")
    os.symlink("round", "fields/round")
    assert names(source) == EAST + WEST


def test_no_line_of_a_list_is_lost(folder: Path) -> None:
    """A photo that is gone gets a row, though its name reads as a pattern; what holds no photos is told."""
    (folder / "empty").mkdir()
    lines = ["fields/west/a[1].png", "gone[2].png", "fields/*.JPG", "empty", "none/*", "fields/west/4.png"]
    (folder / "list.txt").write_text("\n".join(lines))
    photos, problems = find(["list.txt"], block=9)
    assert photos.block(0) == [*lines[:3], lines[5]]
    assert problems == ["empty, of list.txt, holds no photos", "none/*, of list.txt, holds no photos"]


@pytest.mark.usefixtures("folder")
def test_there_is_a_most() -> None:
    with pytest.raises(TooManyPhotos):
        find(["fields"], block=2, most=4)


@pytest.fixture(scope="module")
def bucket() -> Iterator[None]:
    with object_store.running("drone"):
        import s3fs

        files = s3fs.S3FileSystem()
        for key in ("a/1.jpg", "a/2.PNG", "a/b/3.jpg", "a/.hidden/4.jpg", "a/notes.csv", "ab/5.jpg", "c/list.txt", "d[1].jpg"):
            files.pipe_file(f"drone/{key}", b"s3://drone/a/*.jpg\n" if key.endswith("txt") else b"")
        yield


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ("s3://drone/a", ["a/1.jpg", "a/2.PNG", "a/b/3.jpg"]),
        ("s3://drone/a/", ["a/1.jpg", "a/2.PNG", "a/b/3.jpg"]),
        ("s3://drone", ["a/1.jpg", "a/2.PNG", "a/b/3.jpg", "ab/5.jpg", "d[1].jpg"]),
        ("s3://drone/d[1].jpg", ["d[1].jpg"]),
        ("s3://drone/a/1.jpg", ["a/1.jpg"]),
        ("s3://drone/a/*.jpg", ["a/1.jpg"]),
        ("s3://drone/a*/*.jpg", ["a/1.jpg", "ab/5.jpg"]),
        ("s3://drone/a/**/*.jpg", ["a/1.jpg", "a/b/3.jpg"]),
        ("s3://drone/a/[b]", ["a/b/3.jpg"]),
        ("s3://drone/c/list.txt", ["a/1.jpg"]),
    ],
)
def test_an_object_store(source: str, keys: list[str]) -> None:
    assert names(source) == [f"s3://drone/{key}" for key in keys]


@pytest.mark.usefixtures("bucket")
def test_more_objects_than_a_page_has(monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    asked, call = list[object](), s3fs.S3FileSystem.call_s3

    def of_two(files: object, method: str, **wanted: object) -> object:
        asked.append(method)
        return call(files, method, MaxKeys=2, **wanted)

    monkeypatch.setattr("s3fs.S3FileSystem.call_s3", of_two)
    assert names("s3://drone") == [f"s3://drone/{key}" for key in ("a/1.jpg", "a/2.PNG", "a/b/3.jpg", "ab/5.jpg", "d[1].jpg")]
    assert len(asked) == 4  # of eight objects


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize(
    ("source", "error"),
    [("s3://weeds/a", "does not exist|cannot be listed"), ("s3://drone/none/", "holds no photos"), ("s3://dro*/a", "has to stand without")],
)
def test_an_object_store_without_them(source: str, error: str) -> None:
    with pytest.raises((BadSource, FileNotFoundError), match=error):
        find([source], block=2)
