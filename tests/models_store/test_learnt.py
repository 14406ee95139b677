"""Which images were learnt from, told from 16 bytes each."""

import hashlib
import io

import numpy as np
import pytest
from PIL import Image
from scipy import fft

from models_store import learnt, pixels
from models_store.learnt import Learnt
from tests import drawn

PHOTOS = [drawn.plant(species, seed, side=400) for species in range(6) for seed in range(10)]


def records(files: list[bytes]) -> learnt.Records:
    return learnt.records([hashlib.sha256(file).hexdigest() for file in files], np.stack([pixels.decode(file) for file in files]))


@pytest.fixture(scope="module")
def known() -> Learnt:
    return Learnt(records([drawn.encoded(photo, "PNG") for photo in PHOTOS[::2]]))


def test_fingerprints_are_signs_of_the_cosine_transform() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 150, 150), np.uint8)
    light = np.einsum("nchw,c->nhw", images.astype(float), [0.299, 0.587, 0.114]).reshape(3, 30, 5, 30, 5).mean((2, 4))
    signs = fft.dctn(light, axes=(1, 2))[:, 1:9, 1:9].reshape(3, 64) > 0
    assert learnt.fingerprints(images).tolist() == [int("".join("01"[bit] for bit in row), 2) for row in signs.astype(int)]


@pytest.mark.parametrize(
    "altered",
    [
        lambda photo: drawn.encoded(photo, "JPEG", quality=50),
        lambda photo: drawn.encoded(photo, "JPEG", quality=90),
        lambda photo: drawn.encoded(photo, "WEBP", quality=75),
        lambda photo: drawn.encoded(photo.resize((200, 200), Image.Resampling.LANCZOS), "JPEG", quality=80),
        lambda photo: drawn.encoded(photo.resize((900, 900), Image.Resampling.BICUBIC), "JPEG", quality=70),
    ],
)
def test_a_photo_in_other_bytes_is_known_and_another_photo_is_not(known, altered) -> None:
    found = records([altered(photo) for photo in PHOTOS])
    assert known.holds(found).tolist() == [True, False] * 30
    assert not known.holds_file(found).any()


def test_the_very_files_are_known(known) -> None:
    found = records([drawn.encoded(photo, "PNG") for photo in PHOTOS[:6]])
    assert known.holds_file(found).tolist() == [True, False] * 3
    assert known.without_files(found).holds(found).tolist() == [False] * 6
    assert not Learnt.nothing().holds(found).any()


def test_a_file_of_16_bytes_an_image_gives_them_back(known) -> None:
    content = known.to_bytes()
    assert len(content) == 128 + 16 * 30
    assert np.array_equal(Learnt.read(content).records, known.records)
    assert np.array_equal((known | known).records, np.unique(known.records, axis=0))


@pytest.mark.parametrize("content", [b"", b"no array", np.lib.format.magic(1, 0), b"\x93NUMPY" + bytes(200)])
def test_a_damaged_file_is_told(content) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Learnt.read(content)


def test_another_array_is_told() -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"float64 \(3, 2\) in place of uint64"):
        Learnt.read(stream.getvalue())
