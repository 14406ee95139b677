"""JPEGs without their end: read when nothing else is missing, or next to nothing."""

import io
import time
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import hostile_images
from models_store import pixels
from models_store.pixels import UndecodableImage
from tests.drawn import encoded, plant

HARD_CASES = Path(__file__).parent.parent / "hard_cases"
VARIANTS = [
    {"progressive": progressive, "subsampling": subsampling, "restart_marker_blocks": restarts, "mode": mode}
    for progressive, subsampling, restarts, mode in product((False, True), (0, 2), (0, 5), ("RGB", "L"))
]


def jpeg(side: int, mode: str = "RGB", **options: object) -> bytes:
    return encoded(plant(1, 1, side).convert(mode), "JPEG", quality=90, **options)


def test_a_file_of_a_camera() -> None:
    found = pixels.decode(HARD_CASES / "without_eoi.jpg").astype(int)
    assert np.abs(found - pixels.decode(HARD_CASES / "seedling_srgb.png")).mean() < 4


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("side", [150, 700])
def test_complete_but_for_the_end(variant: dict[str, object], side: int) -> None:
    body = jpeg(side, **variant)  # type: ignore[arg-type]
    whole = pixels.decode(body)
    for cut in (1, 2):
        assert (pixels.decode(body[:-cut]) == whole).all()


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("side", [150, 700])
def test_much_missing_is_refused(variant: dict[str, object], side: int) -> None:
    body = jpeg(side, **variant)  # type: ignore[arg-type]
    for share in (0.9, 0.7, 0.5, 0.2, 0.02):
        with pytest.raises(UndecodableImage, match="the JPEG cannot be decoded"):
            pixels.decode(body[: int(len(body) * share)])


def test_cut_between_restarts_is_refused() -> None:
    body = jpeg(700, restart_marker_blocks=5)
    restarts = [at for at in range(len(body) - 1) if body[at] == 0xFF and 0xD0 <= body[at + 1] <= 0xD7]
    for at in restarts[:: len(restarts) // 7][1:6]:
        for end in (at, at + 2):
            with pytest.raises(UndecodableImage):
                pixels.decode(body[:end])


def test_cut_between_scans_is_refused() -> None:
    body = jpeg(700, progressive=True)
    scans = [at for at in range(len(body) - 1) if body[at] == 0xFF and body[at + 1] == 0xDA]
    assert len(scans) > 5
    for at in scans[1:]:
        with pytest.raises(UndecodableImage):
            pixels.decode(body[:at])


def test_a_few_blocks_missing_are_read() -> None:
    body = jpeg(700)
    whole = pixels.decode(body).astype(int)
    assert np.abs(pixels.decode(body[:-12]) - whole).mean() < 1


def test_the_first_picture_of_several() -> None:
    first = plant(1, 1, 300)
    body = encoded(first, "MPO", save_all=True, append_images=[Image.new("RGB", (300, 300))], quality=90)
    assert (pixels.decode(body) == pixels.decode(encoded(first, "JPEG", quality=90))).all()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (hostile_images.jpeg_of_scans(500, 512), "505 scans"),
        (hostile_images.jpeg_of_markers(), "segments"),
        (hostile_images.jpeg_of_filler(), "segments"),
        (hostile_images.jpeg_of_filler()[:-2], "segments"),
        (hostile_images.jpeg_of_filler(filler=b"\0"), "segments"),
        (hostile_images.jpeg_of_filler(filler=b"\xff\0"), "segments"),
        (hostile_images.jpeg_of_filler(filler=b"\xff\xd0"), "segments"),
    ],
    ids=["scans", "markers", "FF", "FF and no scan", "zeros", "FF 00", "restarts"],
)
def test_what_would_take_minutes_is_refused_at_once(body: bytes, said: str) -> None:
    started = time.thread_time()
    with pytest.raises(UndecodableImage, match=said):
        pixels.decode(body)
    assert time.thread_time() - started < 1


def test_what_a_camera_adds_behind_the_end_is_not_looked_at() -> None:
    body = encoded(plant(1, 1, 300), "JPEG", quality=90)
    assert (pixels.decode(body + b"\xff\xda a film of the moment" * 500) == pixels.decode(body)).all()


def with_end(body: bytes, share: float) -> bytes:
    return body[: int(len(body) * share)] + b"\xff\xd9"


@pytest.mark.parametrize("variant", [each for each in VARIANTS if not each["progressive"]], ids=str)
@pytest.mark.parametrize("side", [150, 700])
def test_an_end_behind_half_a_picture_does_not_make_it_whole(variant: dict[str, object], side: int) -> None:
    body = jpeg(side, **variant)  # type: ignore[arg-type]
    for share in (0.9, 0.7, 0.5, 0.3):
        with pytest.raises(UndecodableImage, match="the JPEG is cut off or damaged"):
            pixels.decode(with_end(body, share))


def test_an_end_behind_some_of_the_scans() -> None:
    """Of a progressive JPEG all coefficients have come at least roughly, or it is refused: at its first scan it is a mosaic of blocks."""
    body = jpeg(700, progressive=True)
    whole = pixels.decode(body).astype(int)
    scans = [at for at in range(len(body) - 1) if body[at] == 0xFF and body[at + 1] == 0xDA]
    for at in scans[1:4]:  # brightness and colours of the blocks, and some detail of brightness
        with pytest.raises(UndecodableImage, match="cut off"):
            pixels.decode(body[:at] + b"\xff\xd9")
    for at in scans[6:]:  # all but the lowest bits
        assert np.abs(pixels.decode(body[:at] + b"\xff\xd9") - whole).mean() < 4


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("blocks", [1, 3, 50])
def test_restarts_tell_of_bytes_lost_in_the_middle(blocks: int, subsampling: int, mode: str) -> None:
    body = jpeg(533, mode, subsampling=subsampling, restart_marker_blocks=blocks)
    assert pixels.decode(body).any()
    third = len(body) // 3
    for damaged in (body[:third] + body[-third:], body[:third] + bytes(third) + body[2 * third :]):
        with pytest.raises(UndecodableImage, match="cut off or damaged"):
            pixels.decode(damaged)


def test_what_stands_between_segments_is_passed_over() -> None:
    body = jpeg(300)
    at = body.index(b"\xff\xdb")
    for filler in (b"\xff\xff", b"\0\0\0", b"\0\xff\0", b"\xff\xd0"):
        assert (pixels.decode(body[:at] + filler + body[at:]) == pixels.decode(body)).all()


def band_by_band(body: bytes) -> list[bytes]:
    """A grey JPEG's frame with three bands, and its one scan for each of them: what comes before, and the three scans."""
    frame, scan, end = body.index(b"\xff\xc0"), body.index(b"\xff\xda"), body.rindex(b"\xff\xd9")
    wide = b"\xff\xc0\0\x11" + body[frame + 4 : frame + 9] + b"\3\1\x11\0\2\x11\0\3\x11\0"
    head = body[:frame] + wide + body[frame + 13 : scan]
    return [head, *(b"\xff\xda\0\x08\1" + bytes([band]) + body[scan + 6 : end] for band in (1, 2, 3))]


def test_scans_of_one_band_each() -> None:
    grey = jpeg(300, "L")
    head, *scans = band_by_band(grey)
    luma = np.asarray(Image.open(io.BytesIO(grey)))
    whole = head + b"".join(scans) + b"\xff\xd9"
    expected = np.asarray(Image.fromarray(np.dstack([luma] * 3), "RGB").resize((150, 150), Image.Resampling.BILINEAR))
    assert pixels.decode(whole).shape == (3, 150, 150)
    assert not (pixels.decode(whole)[0] == expected[..., 0]).all()  # bands of brightness and colour, all alike: a picture of its own
    for body in (head + scans[0], head + scans[0] + scans[1], head + scans[0] + scans[1] + scans[2][: len(scans[2]) // 2]):
        with pytest.raises(UndecodableImage, match="cut off"):
            pixels.decode(body + b"\xff\xd9")


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_plain_ground_is_no_missing_part(variant: dict[str, object]) -> None:
    picture = Image.new("RGB", (300, 300), (240, 240, 240))
    picture.paste(plant(1, 1, 150), (75, 20))
    options = {key: value for key, value in variant.items() if key != "mode"}
    for image in (picture, Image.new("RGB", (300, 300), "white")):
        body = encoded(image.convert(str(variant["mode"])), "JPEG", quality=90, **options)
        assert np.abs(pixels.decode(body).astype(int) - pixels.decode(encoded(image.convert(str(variant["mode"])), "PNG"))).mean() < 3


def frame_of(body: bytes) -> int:
    return body.index(b"\xff\xc0")


def patched(body: bytes, at: int, *values: int) -> bytes:
    return body[:at] + bytes(values) + body[at + len(values) :]


BODY = jpeg(64)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (patched(BODY, frame_of(BODY) + 4, 12), "of 12 bits.*usual JPEG of 8 bits"),
        (patched(BODY, frame_of(BODY) + 1, 0xC5), "hierarchical"),
        (patched(BODY, frame_of(BODY) + 1, 0xF7), "JPEG-LS"),
        (patched(BODY, frame_of(BODY) + 5, 0, 0), "its height only behind its pixels"),
        (patched(BODY, frame_of(BODY) + 9, 2), "of 2 bands"),
    ],
)
def test_kinds_that_are_not_read_are_named(body: bytes, said: str) -> None:
    with pytest.raises(UndecodableImage, match=said):
        pixels.decode(body)


def test_four_inks_say_which_way_they_run() -> None:
    """Adobe's marker says it: 0 is ink then. Without it the standard and most programs differ."""
    body = encoded(Image.new("CMYK", (64, 64), (200, 40, 220, 10)), "JPEG", quality=100)
    found = pixels.decode(body, 8)[:, 4, 4]
    assert np.abs(found - np.array([(255 - ink) * 245 / 255 for ink in (200, 40, 220)])).max() <= 3
    at = body.index(b"\xff\xee")
    with pytest.raises(UndecodableImage, match=r"four inks.*save it as RGB"):
        pixels.decode(body[:at] + body[at + 2 + int.from_bytes(body[at + 2 : at + 4]) :])
