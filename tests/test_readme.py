"""The README holds what a newcomer needs, and no more."""

import re
from pathlib import Path

from PIL import Image

README = (Path(__file__).parents[1] / "README.md").read_text()
TWO_SCREENS = 100  # lines


def test_has_the_way_from_photos_to_a_model() -> None:
    commands = re.findall(r"python -m training (data check|fit|evaluate|export)\b", README)
    assert list(dict.fromkeys(commands)) == ["data check", "fit", "evaluate", "export"]


def test_fits_two_screens() -> None:
    assert len(README.splitlines()) <= TWO_SCREENS


def test_shows_the_page() -> None:
    (image,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README)
    with Image.open(Path(__file__).parents[1] / image) as picture:
        assert picture.size >= (800, 600)
