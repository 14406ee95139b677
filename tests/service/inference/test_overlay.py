"""Boxes on a photo as a picture. The rest is tested with the routes."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from models_store.pixels import FittedImage
from service.inference import overlay


@pytest.mark.parametrize("box", [(4000, 10, 2, 40), (7470, 70, 4, 2), (0, 0, 1, 1), (0, 0, 8000, 80)])
def test_a_box_thinner_than_a_pixel_of_the_picture_is_no_error(box):
    photo = FittedImage(np.zeros((3, 20, 2000), np.uint8), 8000, 80, None)
    clump = SimpleNamespace(box=box, plant=SimpleNamespace(clump=True))
    picture = Image.open(io.BytesIO(overlay.render(SimpleNamespace(photo=SimpleNamespace(fitted=photo), plants=[clump]), 0.0)))
    assert picture.size == (2000, 20)
