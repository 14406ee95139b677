"""Boxes of HEIC and AVIF: which item's properties count, and the clean aperture."""

import io
import struct

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from models_store import pixels
from models_store.containers import isobmff
from models_store.pixels import UndecodableImage
from tests.drawn import encoded, plant

SIDE = 40


def box(name: bytes, *content: bytes) -> bytes:
    joined = b"".join(content)
    return struct.pack(">I4s", 8 + len(joined), name) + joined


def with_property(body: bytes, added: bytes) -> bytes:
    """An AVIF or HEIC of one item with another property of it; what lies behind the boxes moves."""
    meta, meta_length = body.index(b"meta") - 4, int.from_bytes(body[body.index(b"meta") - 4 :][:4])
    inside = body[meta + 12 : meta + meta_length]
    parts = dict(isobmff._boxes(inside))
    both = dict(isobmff._boxes(parts[b"iprp"]))
    count = len(list(isobmff._boxes(both[b"ipco"])))
    ipma = bytearray(both[b"ipma"])
    assert (ipma[0], ipma[3] & 1, ipma[4:8]) == (0, 0, b"\0\0\0\1")
    ipma[10] += 1
    ipma += bytes([0x80 | (count + 1)])
    parts[b"iprp"] = box(b"ipco", both[b"ipco"], added) + box(b"ipma", bytes(ipma))
    grown = len(added) + 1
    iloc = bytearray(parts[b"iloc"])
    at = iloc.index(struct.pack(">I", body.index(b"mdat") + 4))  # the place of the pixels in the file
    struct.pack_into(">I", iloc, at, body.index(b"mdat") + 4 + grown)
    parts[b"iloc"] = bytes(iloc)
    made = box(b"meta", body[meta + 8 : meta + 12], *(box(name, content) for name, content in parts.items()))
    return body[:meta] + made + body[meta + meta_length :]


@pytest.mark.parametrize("turns", range(4))
def test_the_clean_aperture_of_an_avif(turns: int) -> None:
    """Browsers cut to it, and libheif does; libavif and Pillow leave it undone."""
    picture = plant(1, 1, 100)
    options = {"quality": 100, "subsampling": "4:4:4"}
    plain = encoded(picture, "AVIF", **options)
    across, down = -15, 10  # from the centre
    clap = box(b"clap", struct.pack(">iIiIiIiI", SIDE, 1, SIDE, 1, across, 1, down, 1))
    body = with_property(plain, clap)
    if turns:
        body = with_property(body, box(b"irot", bytes([turns])))
    left, top = (100 - SIDE) // 2 + across, (100 - SIDE) // 2 + down
    expected = np.asarray(picture).transpose(2, 0, 1)[:, top : top + SIDE, left : left + SIDE]
    assert np.abs(pixels.decode(body, SIDE).astype(int) - np.rot90(expected, turns, (1, 2))).mean() < 3
    for numbers in ((SIDE, 0, SIDE, 1, 0, 1, 0, 1), (SIDE, 1, SIDE, 1, 900, 1, 0, 1), (0, 1, 0, 1, 0, 1, 0, 1)):
        odd = with_property(plain, box(b"clap", struct.pack(">iIiIiIiI", *numbers)))
        assert (pixels.decode(odd, SIDE) == pixels.decode(plain, SIDE)).all()


@pytest.mark.parametrize("primary", range(3))
def test_of_several_images_in_a_heic_the_primary_one_counts(primary: int) -> None:
    colours = [(220, 20, 20), (20, 200, 20), (20, 20, 220)]
    album = pillow_heif.HeifFile()
    for i, colour in enumerate(colours):
        album.add_from_pillow(Image.new("RGB", (64 + 8 * i, 48), colour))  # a photo's burst, or a phone's alternatives
    stream = io.BytesIO()
    album.save(stream, quality=-1, primary_index=primary)
    with pixels.opened(stream.getvalue()) as picture:
        assert picture.width == 64 + 8 * primary
        assert picture.square(16).pixels.reshape(3, -1).mean(1) == pytest.approx(colours[primary], abs=3)


def test_the_properties_of_the_primary_item() -> None:
    first, second = (
        box(b"colr", b"nclx", struct.pack(">HHH", 1, 13, 6), b"\x80"),
        box(b"colr", b"nclx", struct.pack(">HHH", 12, 13, 6), b"\x80"),
    )

    def file(primary: bytes, associations: bytes) -> bytes:
        iprp = box(b"iprp", box(b"ipco", first, second), box(b"ipma", associations))
        return box(b"ftyp", b"avif", bytes(4)) + box(b"meta", bytes(4), primary, iprp)

    short = b"\0\0\0\0" + struct.pack(">IHBBHBB", 2, 1, 1, 0x81, 2, 1, 0x82)
    long = b"\1\0\0\1" + struct.pack(">IIBHIBH", 2, 1, 1, 0x8001, 2, 1, 0x8002)
    for associations, numbers in ((short, "H"), (long, "I")):
        for item, expected in ((1, first), (2, second)):
            primary = box(b"pitm", bytes([numbers == "I", 0, 0, 0]), struct.pack(f">{numbers}", item))
            assert isobmff.properties(file(primary, associations)) == [(b"colr", expected[8:])]
    both = [(b"colr", first[8:]), (b"colr", second[8:])]
    for primary, associations in ((b"", short), (box(b"pitm", bytes(4), b"\0\7"), short), (box(b"pitm", bytes(4), b"\0\1"), short[:9])):
        assert isobmff.properties(file(primary, associations)) == both
    assert isobmff.properties(b"") == []


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_and_mirrors(kind: str, orientation: int) -> None:
    """The writers put the orientation into the container as well, which alone counts: once and no more."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = plant(1, 1, 64)
    upright = pixels.decode(encoded(picture, "PNG", exif=exif), 64).astype(int)
    assert np.abs(pixels.decode(encoded(picture, kind, exif=exif.tobytes(), quality=97), 64) - upright).mean() < 12


def sequence() -> bytes:
    frames = [Image.new("RGB", (16, 16), (index, 90, 30)) for index in range(3)]
    return encoded(frames[0], "AVIF", save_all=True, append_images=frames[1:], speed=10)


def claiming(frames: int) -> bytes:
    """A sequence whose header says another number of frames, of a byte each."""
    body = bytearray(sequence())
    struct.pack_into(">II", body, body.index(b"stsz") + 8, 1, frames)
    struct.pack_into(">I", body, body.index(b"stsc") + 16, frames)
    struct.pack_into(">I", body, body.index(b"stts") + 12, frames)
    return bytes(body) + bytes(frames)


def test_of_a_sequence_the_first_frame() -> None:
    first = pixels.decode(sequence(), 16)
    assert np.abs(first.astype(int) - np.array([0, 90, 30])[:, None, None]).max() < 8


def test_a_number_of_frames_takes_no_time() -> None:
    """libavif took 1.2 s and 341 MiB for this one, and no other thread ran meanwhile."""
    with pytest.raises(UndecodableImage, match="has 2500000 frames, more than the 20000 allowed; save one of them"):
        pixels.decode(claiming(2_500_000))
    with pytest.raises(UndecodableImage, match="Failed to decode frame 0"):  # libavif's turn: the first frame has a byte
        pixels.decode(claiming(20_000))


def entry(index: int) -> bytes:
    return box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", index, 0, b"av01"), b"\0")


@pytest.mark.parametrize("brand", [b"avif", b"heic"])
def test_tables_are_no_longer_than_photos_have_them(brand: bytes) -> None:
    """libavif took 0.4 s for 20,000 items, and 25 times that for 100,000."""
    start = box(b"ftyp", brand, bytes(4))
    many = b"".join(entry(index) for index in range(20_000))
    halves = [box(b"iinf", many[: len(many) // 10])] * 2  # each short enough
    for inside in ([box(b"iinf", many)], halves, [box(b"iprp", box(b"ipco", box(b"free") * 10_000))]):
        with pytest.raises(UndecodableImage, match="far more parts than a photo has"):
            pixels.decode(start + box(b"meta", bytes(4), *inside))
    for inside in (halves[:1], [box(b"iprp", box(b"ipco", box(b"free") * 9_000))]):
        with pytest.raises(UndecodableImage, match="cannot be decoded"):
            pixels.decode(start + box(b"meta", bytes(4), *inside))
