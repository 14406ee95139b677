"""The square that is cut out, and samples of more than 8 bits."""

import numpy as np
import pytest
from PIL import Image

from models_store import scaling
from models_store.scaling import CropSize


def test_a_square_is_cut_from_the_middle_and_each_pixel_is_a_mean():
    wide = np.zeros((4, 8), np.uint8)
    wide[:, :2], wide[:, 6:] = 255, 255  # outside of the square
    wide[:, 2:4], wide[:, 4:6] = 100, 50
    # A triangle four pixels wide, weights 1/8, 3/8, 3/8, 1/8: it reaches half a pixel of the answer over the cut, where there is more.
    expected = [(255 + 3 * 100 + 3 * 100 + 50) / 8, (100 + 3 * 50 + 3 * 50 + 255) / 8]
    assert np.asarray(scaling.square(Image.fromarray(wide), CropSize(2))).astype(float) == pytest.approx(np.array([expected] * 2), abs=1)
    assert (np.asarray(scaling.square(Image.fromarray(wide), CropSize(4))) == wide[:, 2:6]).all()


def test_the_square_that_is_asked_for():
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8))
    assert (np.asarray(scaling.square(image, CropSize(3, (4, 1, 7, 4)))) == np.asarray(image)[1:4, 4:7]).all()
    assert scaling.square(image, None) is image
    assert (scaling.central(8, 6), scaling.central(5, 8)) == ((1, 0, 7, 6), (0, 1.5, 5, 6.5))


@pytest.mark.parametrize(
    ("samples", "white"),
    [
        (np.array([[True]]), 1),
        (np.zeros((2, 2), np.uint8), 255),
        (np.zeros((2, 2), np.uint16), 65535),
        (np.full((2, 2), 0.7, np.float32), 1),
        (np.full((2, 2), 200.0, np.float32), 255),
        (np.full((2, 2), 40_000.0, np.float64), 65535),
        (np.full((2, 2), 200, np.int32), 255),
        (np.full((2, 2), 60_000, np.uint32), 65535),
        (np.full((2, 2), 2**31, np.uint32), 2**32 - 1),
        (np.full((2, 2), np.nan, np.float32), 1),
    ],
)
def test_what_counts_as_white(samples, white):
    assert scaling.usual_white(samples) == white


def test_a_few_glints_do_not_decide():
    samples = np.full((20, 20), 0.5, np.float32)
    samples[0, 0], samples[0, 1] = 1e9, np.inf
    assert scaling.usual_white(samples) == 1


def test_samples_become_bytes():
    half = np.full((3, 3), 0.5, np.float32)
    for inverted in (False, True):
        wide = scaling.square_of_samples([half], CropSize(3), inverted=inverted)
        assert (wide.colours[0] == 32768).all()
        assert np.asarray(wide.narrowed()).tolist() == [[128] * 3] * 3
    dark = np.full((3, 3), 0.25, np.float32)
    image = scaling.square_of_samples([dark, half, half * 0], CropSize(3), inverted=True).narrowed()
    assert (image.mode, image.getpixel((1, 1))) == ("RGB", (191, 128, 255))


def test_premultiplied_colours_are_divided_by_their_alpha():
    alpha = np.full((3, 3), 0.5, np.float32)
    colour = np.full((3, 3), 0.2, np.float32)
    image = scaling.square_of_samples([colour], CropSize(3), alpha, premultiplied=True).narrowed()
    assert (image.mode, image.getpixel((1, 1))) == ("LA", (102, 128))
    assert scaling.square_of_samples([colour], CropSize(3), alpha).narrowed().getpixel((1, 1)) == (51, 128)


def test_sixteen_bits_of_grey():
    image = Image.fromarray(np.full((5, 5), 0x8000, np.uint16))
    assert np.asarray(scaling.square_of_grey16(image, CropSize(5)).narrowed()).tolist() == [[128] * 5] * 5
    assert (scaling.square_of_grey16(Image.fromarray(np.full((5, 5), 1023, np.uint16)), CropSize(5), white=1023).colours[0] == 65535).all()


def test_sixteen_bits_are_rounded_to_eight():
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert (np.asarray(scaling.narrowed(every)) == np.round(every / 257)).all()


def test_a_wide_image_fits_as_a_narrow_one_does():
    random = np.random.default_rng(0)
    colours = [random.integers(0, 65536, (30, 50)).astype(np.uint16) for _ in range(3)]
    alpha = random.integers(0, 65536, (30, 50)).astype(np.uint16)
    for wide in (scaling.WideImage(colours), scaling.WideImage(colours, alpha)):
        expected = wide.narrowed().resize((20, 12), Image.Resampling.BILINEAR)
        assert np.abs(np.asarray(wide.fitted(20).narrowed()).astype(int) - np.asarray(expected)).max() <= 3
        assert wide.fitted(50) is wide
    assert (scaling.size_within((50, 30), 20), scaling.size_within((30, 50), 50)) == ((20, 12), (30, 50))
