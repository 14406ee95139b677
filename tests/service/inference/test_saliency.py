"""The picture of a heat map."""

import io

import numpy as np
from PIL import Image

from service.inference import saliency

GREEN = np.broadcast_to(np.array([[[40]], [[160]], [[40]]], np.uint8), (3, 64, 64))


def picture(heat: np.ndarray) -> np.ndarray:
    """[64, 64, 3]"""
    with Image.open(io.BytesIO(saliency.render(GREEN, heat.astype(np.float32)))) as image:
        assert image.format == "PNG"
        return np.asarray(image).astype(int)


def test_without_saliency_the_photo_is_muted_and_nothing_glows() -> None:
    grey = 0.299 * 40 + 0.587 * 160 + 0.114 * 40
    expected = [round(grey + 0.55 * (value - grey)) for value in (40, 160, 40)]
    found = picture(np.zeros((4, 4)))
    # where the saliency is 0, the darkest colour of the map has no opacity
    assert np.abs(found - expected).max() <= 1


def test_glows_where_the_saliency_is() -> None:
    heat = np.zeros((8, 8))
    heat[1, 6] = 1
    found = picture(heat)
    red = found[..., 0]
    row, column = np.unravel_index(red.argmax(), red.shape)
    assert abs(row - 12) <= 4  # the middle of the second of eight rows, of 64 pixels
    assert abs(column - 52) <= 4
    assert red[60, 4] < red.max() / 2
