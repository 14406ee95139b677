"""What is drawn on a screenshot is taken for no plant; a photo among it, and photos, stay as they are."""

import numpy as np
import pytest
from PIL import Image

from models_store import drawings
from tests import drawn


def array(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def green(photo: np.ndarray) -> np.ndarray:
    """A map that takes all that is green or dark for plant, as a bad segmenter does."""
    red, middle, blue = photo.astype(int)
    return np.where((2 * middle - red - blue > 20) | (photo.max(0) < 120), 0.9, 0.1).astype(np.float32)


def meadow(seed: int, size: tuple[int, int]) -> Image.Image:
    """Grass with the noise of a photo."""
    noise = np.random.default_rng(seed).normal(0, 4, (size[1], size[0], 3))
    return Image.fromarray((np.asarray(drawn.lawn(seed, size)) + noise).clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_words_buttons_and_icons_of_a_screenshot_are_no_plants(seed: int, dark: bool) -> None:
    photo = array(drawn.page(seed, dark=dark).resize((960, 640), Image.Resampling.BILINEAR))
    before = green(photo) if not dark else np.where(photo.max(0) > 60, 0.9, 0.1).astype(np.float32)
    after = drawings.without_drawn(photo, before)
    assert (before > 0.5).mean() > 0.05
    assert (after > 0.5).mean() < 0.1 * (before > 0.5).mean()


def test_a_photo_on_a_page_keeps_its_plants() -> None:
    page = drawn.page(1)
    page.paste(meadow(1, (300, 200)), (600, 400))
    photo = array(page)
    before, after = green(photo), drawings.without_drawn(photo, green(photo))
    assert (after[405:595, 605:895] > 0.5).mean() > 0.8
    assert (after[:390] > 0.5).mean() < 0.02 < (before[:390] > 0.5).mean()


def test_photos_and_leaves_on_a_white_sheet_stay() -> None:
    lawn = array(meadow(2, (640, 480)))
    assert (drawings.without_drawn(lawn, green(lawn)) == green(lawn)).all()
    sheet = Image.new("RGB", (800, 600), (255, 255, 255))
    for left in (100, 400, 600):
        sheet.paste(meadow(left, (60, 40)), (left, 300))
    photo = array(sheet)
    assert (drawings.without_drawn(photo, green(photo)) == green(photo)).all()


def test_a_mirrored_page_gives_the_mirrored_map() -> None:
    photo = array(drawn.page(2))
    after = drawings.without_drawn(photo, green(photo))
    back = drawings.without_drawn(np.ascontiguousarray(photo[:, :, ::-1]), green(photo)[:, ::-1])
    assert (back[:, ::-1] == after).all()
