"""Boxes on a photo as a picture. The rest is tested with the routes."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from models_store.pixels import FittedImage
from service.inference import overlay


@pytest.mark.parametrize("box", [(4000, 10, 2, 40), (7470, 70, 4, 2), (0, 0, 1, 1), (0, 0, 8000, 80)])
def test_a_box_thinner_than_a_pixel_of_the_picture_is_no_error(box):
    photo = FittedImage(np.zeros((3, 20, 2000), np.uint8), 8000, 80, None)
    clump = SimpleNamespace(box=box, plant=SimpleNamespace(clump=True))
    picture = Image.open(io.BytesIO(overlay.render(SimpleNamespace(photo=SimpleNamespace(fitted=photo), plants=[clump]), 0.0)))
    assert picture.size == (2000, 20)


@pytest.mark.parametrize("size", [(40, 2000), (60, 900), (2000, 12), (900, 700)])
def test_a_name_lies_in_the_picture(size, monkeypatch):
    written = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda draw, at, text, font, **_: written.append((text, *at, *font.getbbox(text)[2:])))
    clumps = [SimpleNamespace(box=box, plant=SimpleNamespace(clump=True)) for box in ((0, 0, *size), (size[0] - 5, size[1] - 5, 5, 5))]
    photo = FittedImage(np.zeros((3, size[1], size[0]), np.uint8), *size, None)
    overlay.render(SimpleNamespace(photo=SimpleNamespace(fitted=photo), plants=clumps), 0.0)
    assert [text for text, *_ in written] == ["1. several?", "2. several?"]  # numbered as `/detect` lists them
    for _, x, y, across, down in written:
        assert x >= 0
        assert x + across <= size[0]
        assert y >= 0
        assert y + down <= size[1]


def test_where_plants_are_dense_each_has_its_number(monkeypatch):
    written = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda draw, at, text, font, **_: written.append(text))
    places = [*range(10, 510, 25), 700]
    clumps = [SimpleNamespace(box=(x, 50, 20, 20), plant=SimpleNamespace(clump=True)) for x in places]
    photo = FittedImage(np.zeros((3, 300, 900), np.uint8), 900, 300, None)
    overlay.render(SimpleNamespace(photo=SimpleNamespace(fitted=photo), plants=clumps), 0.0)
    assert written == [*(f"{number}." for number in range(1, 20)), "20. several?", "21. several?"]  # the last ones have room


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("Shepherd's Purse", "Shepherd's Purse"),
        ("Gänsefuß, Řeřicha", "Gansefuss, Rericha"),
        ("Ağ ısırgan Łopian", "Ag isirgan Lopian"),
        ("Щирица жёлтая", "Shchiritsa zheltaya"),
        ("Παπαρούνα", "Paparoyna"),
        ("小麦", "??"),
    ],
)
def test_a_name_is_written_in_letters_that_the_font_has(name, written):
    assert overlay.in_ascii(name) == written
