"""Which photo a path in a file with outlines means."""

import unicodedata
from pathlib import Path

import pytest

from training.data.outlines import Outline, OutlinedPhoto
from training.data.photo_names import PhotoNames
from training.errors import DataError

SHAPE = Outline("shape 0", lambda: [[1, 1, 9, 1, 9, 9]], 0, "beet")


@pytest.fixture
def names(tmp_path):
    """Four photos, three of one name, one with an umlaut as another system composes it."""
    for name in ("a.jpg", "tray 1/a.jpg", "tray 2/a.jpg", unicodedata.normalize("NFD", "tray 1/Düne.jpg")):
        file = tmp_path / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return PhotoNames(tmp_path / "images")


def outlined(path, *shapes, source="a.json"):
    return OutlinedPhoto(Path(source), path, 60, 40, list(shapes))


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("tray 1/a.jpg", "tray 1/a.jpg"),
        (r"C:\fields\images\tray 2\a.jpg", "tray 2/a.jpg"),
        ("/elsewhere/images/a.jpg", "a.jpg"),
        ("labels/../../images/tray 1/a.jpg", "tray 1/a.jpg"),
        (unicodedata.normalize("NFC", "default/Düne.jpg"), unicodedata.normalize("NFD", "tray 1/Düne.jpg")),
        ("a.png", None),
        ("b.jpg", None),
    ],
)
def test_the_end_of_a_path_tells_the_photo(names, path, meant):
    one = outlined(path, SHAPE)
    matched = names.match([one])
    assert matched.photos == ({} if meant is None else {names.folder / meant: one})
    assert matched.absent == ([one] if meant is None else [])


def test_a_name_alone_is_not_enough_for_three(names):
    with pytest.raises(DataError, match=r"'a\.jpg' may be .* or .* or "):
        names.match([outlined("a.jpg", SHAPE)])


def test_the_nearer_path_has_the_photo(names):
    near, far = outlined("tray 1/Düne.jpg"), outlined("tray 3/Düne.jpg", SHAPE)
    for order in ([near, far], [far, near]):
        matched = names.match(order)
        assert (list(matched.photos.values()), matched.absent) == ([near], [far])


def test_of_two_files_the_one_with_outlines_counts(names):
    bare, drawn = outlined("tray 1/a.jpg"), outlined("tray 1/a.jpg", SHAPE)
    for order in ([bare, drawn], [drawn, bare]):
        assert list(names.match(order).photos.values()) == [drawn]
    with pytest.raises(DataError, match=r"a\.json and b\.json: 2 times there are outlines of .*tray 1/a\.jpg"):
        names.match([drawn, outlined("tray 1/a.jpg", SHAPE, source="b.json")])
