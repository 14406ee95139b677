"""Colours against sRGB values computed by hand from the spaces' definitions, and against Little CMS's own profiles."""

import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from models_store import colour, pixels
from tests.drawn import encoded

HARD_CASES = Path(__file__).parent / "hard_cases"
P3 = np.array([[0.48657, 0.26567, 0.19822], [0.22897, 0.69174, 0.07929], [0.0, 0.04511, 1.04394]])  # to XYZ, by SMPTE EG 432-1
ADOBE = np.array([[0.57667, 0.18556, 0.18823], [0.29734, 0.62736, 0.07529], [0.02703, 0.07069, 0.99134]])  # by Adobe RGB (1998)
BT2020 = np.array([[0.63696, 0.14462, 0.16888], [0.26270, 0.67799, 0.05930], [0.0, 0.02807, 1.06099]])
SRGB = np.array([[0.41239, 0.35758, 0.18048], [0.21264, 0.71517, 0.07219], [0.01933, 0.11919, 0.95053]])  # IEC 61966-2-1
COLOURS = np.array([[120, 130, 90], [60, 140, 50], [200, 180, 150], [90, 70, 60], [128, 128, 128], [255, 255, 255], [0, 0, 0]])


def decoded_srgb(values: np.ndarray) -> np.ndarray:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encoded_srgb(light: np.ndarray) -> np.ndarray:
    light = np.clip(light, 0, 1)
    return 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def png(colours: np.ndarray, *chunks: tuple[bytes, bytes], mode: str = "RGB") -> bytes:
    """A PNG of one colour with chunks before its pixels."""
    plain = encoded(
        Image.new(mode, (8, 8), tuple(int(value) for value in np.atleast_1d(colours)) if mode == "RGB" else int(colours)), "PNG"
    )
    made = b"".join(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks)
    return plain[:33] + made + plain[33:]


def of(body: bytes) -> np.ndarray:
    return pixels.decode(body, 8)[:, 4, 4].astype(float)


def chunk_of_profile(profile: bytes) -> tuple[bytes, bytes]:
    return b"iCCP", b"profile\0\0" + zlib.compress(profile)


def linear_to_srgb(light: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    return encoded_srgb(np.linalg.solve(SRGB, matrix @ light))


CASES = {
    "p3 by cICP": ((b"cICP", bytes([12, 13, 0, 1])), lambda c: linear_to_srgb(decoded_srgb(c / 255), P3)),
    "2020 by cICP": ((b"cICP", bytes([9, 13, 0, 1])), lambda c: linear_to_srgb(decoded_srgb(c / 255), BT2020)),
    "linear by cICP": ((b"cICP", bytes([1, 8, 0, 1])), lambda c: encoded_srgb(c / 255)),
    "television range": ((b"cICP", bytes([1, 13, 0, 0])), lambda c: np.clip((c - 16) / 219, 0, 1) * 255),
    "srgb by cICP": ((b"cICP", bytes([1, 13, 0, 1])), lambda c: c),
    "gamma 1.0": ((b"gAMA", struct.pack(">I", 100_000)), lambda c: encoded_srgb(c / 255)),
    "gamma 1.8": ((b"gAMA", struct.pack(">I", 55_556)), lambda c: encoded_srgb((c / 255) ** 1.8)),
    "gamma 2.2": ((b"gAMA", struct.pack(">I", 45_455)), lambda c: c),
    "gamma 0": ((b"gAMA", bytes(4)), lambda c: c),
}


@pytest.mark.parametrize("case", CASES)
def test_png_colours_against_their_definition(case: str) -> None:
    chunk, expected = CASES[case]
    for rgb in COLOURS:
        assert np.abs(of(png(rgb, chunk)) - np.clip(expected(rgb), 0, 255)).max() <= 1.5, rgb


def test_primaries_of_a_png_count_beside_its_gamma() -> None:
    adobe = struct.pack(">8I", 31270, 32900, 64000, 33000, 21000, 71000, 15000, 6000)
    for rgb in COLOURS:
        expected = linear_to_srgb((rgb / 255) ** (563 / 256), ADOBE)
        assert (
            np.abs(of(png(rgb, (b"gAMA", struct.pack(">I", 45_471)), (b"cHRM", adobe))) - expected).max() <= 3
        )  # 5% of gamma is not mended
        assert (of(png(rgb, (b"cHRM", adobe))) == rgb).all()
    degenerate = struct.pack(">8I", *[30000] * 8)
    assert (of(png(COLOURS[0], (b"gAMA", struct.pack(">I", 100_000)), (b"cHRM", degenerate))) == COLOURS[0]).all()


def test_the_precedence_of_png_chunks() -> None:
    gamma, srgb, p3 = (b"gAMA", struct.pack(">I", 100_000)), (b"sRGB", b"\0"), (b"cICP", bytes([12, 13, 0, 1]))
    linear = chunk_of_profile(colour.of_gamma(1.0) or b"")
    rgb = COLOURS[1]
    by_gamma, by_p3 = of(png(rgb, gamma)), of(png(rgb, p3))
    assert (of(png(rgb, gamma, srgb)) == rgb).all()
    assert np.abs(of(png(rgb, gamma, srgb, linear)) - by_gamma).max() <= 1
    assert (of(png(rgb, gamma, srgb, linear, p3)) == by_p3).all()
    assert not np.abs(by_p3 - by_gamma).max() < 10


def test_the_phone_and_the_plain_picture_are_one() -> None:
    plain, phone = (pixels.decode(HARD_CASES / name).astype(int) for name in ("seedling_srgb.png", "seedling_icc_P3.png"))
    assert np.abs(plain - phone).mean() < 0.5


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_a_profile_is_read_from_every_format_that_holds_one(kind: str) -> None:
    with Image.open(HARD_CASES / "seedling_icc_P3.png") as phone:
        profile, image = phone.info["icc_profile"], phone.convert("RGB")
    options = {} if kind in ("PNG", "TIFF") else {"quality": 97}
    found = pixels.decode(encoded(image, kind, icc_profile=profile, **options)).astype(int)
    assert np.abs(found - pixels.decode(HARD_CASES / "seedling_srgb.png")).mean() < 1.6
    clear = image.convert("RGBA")
    if kind in ("PNG", "WEBP", "TIFF"):
        assert np.abs(pixels.decode(encoded(clear, kind, icc_profile=profile, **options)).astype(int) - found).mean() < 1.6


def test_adobe_rgb_named_by_exif_alone() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 65535
    exif.get_ifd(0x8769)[0xA005] = {1: "R03\0"}
    for rgb in COLOURS:
        body = encoded(Image.new("RGB", (64, 64), tuple(map(int, rgb))), "JPEG", quality=100, subsampling=0, exif=exif)
        assert np.abs(of(body) - linear_to_srgb((rgb / 255) ** (563 / 256), ADOBE)).max() <= 3
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 1
    assert np.abs(of(encoded(Image.new("RGB", (64, 64), (60, 140, 50)), "JPEG", quality=100, exif=exif)) - (60, 140, 50)).max() <= 2


def test_grey_and_cmyk_go_by_their_own_profiles() -> None:
    linear = colour.of_gamma(1.0)
    assert linear
    grey = encoded(Image.new("L", (64, 64), 55), "JPEG", quality=100, icc_profile=linear)  # an RGB profile in a grey image
    assert np.abs(of(grey) - encoded_srgb(np.array(55 / 255))).max() <= 1
    assert (of(encoded(Image.new("CMYK", (64, 64), (0, 255, 255, 0)), "TIFF", icc_profile=linear)) == (255, 0, 0)).all()  # not its kind


@pytest.mark.parametrize("spoilt", [b"", b"no profile", bytes(200), "cut", "link", "space", "tags"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_a_broken_profile_is_ignored(kind: str, spoilt: bytes | str) -> None:
    good = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    damaged = {"cut": good[:200], "link": good[:12] + b"link" + good[16:], "space": good[:16] + b"CMYK" + good[20:]}
    damaged["tags"] = good[:128] + b"\xff" * 100 + good[228:]
    profile = damaged[spoilt] if isinstance(spoilt, str) else spoilt
    image = Image.new("RGB", (64, 64), (60, 140, 50))
    assert np.abs(of(encoded(image, kind, icc_profile=profile, **({"quality": 100} if kind == "JPEG" else {}))) - (60, 140, 50)).max() <= 2


def with_steps(profile: bytes, steps: int) -> bytes:
    """A profile that tells its colours a second time, by matrices one behind the other (D2B1, a multiProcessElementsType)."""
    matrix = b"matf" + bytes(4) + struct.pack(">HH12f", 3, 3, *(1, 0, 0, 0, 1, 0, 0, 0, 1), 0, 0, 0)
    data = b"mpet" + bytes(4) + struct.pack(">HHI", 3, 3, steps) + struct.pack(">II", 16 + 8 * steps, len(matrix)) * steps + matrix
    count = int.from_bytes(profile[128:132])
    moved = [struct.unpack_from(">4sII", profile, 132 + 12 * index) for index in range(count)]
    index = b"".join(struct.pack(">4sII", name, place + 12, length) for name, place, length in moved)
    index += struct.pack(">4sII", b"D2B1", len(profile) + 12, len(data))
    head = struct.pack(">I", len(profile) + 12 + len(data)) + profile[4:8] + b"\x04\x30" + profile[10:128]
    return head + struct.pack(">I", count + 1) + index + profile[132 + 12 * count :] + data


def test_a_profile_of_endless_steps_takes_no_longer() -> None:
    """8 KB of PNG kept a thread busy for minutes."""
    linear = colour.of_gamma(1.0) or b""
    started = time.thread_time()
    for steps in (1, 50_000):
        body = png(COLOURS[1], chunk_of_profile(with_steps(linear, steps)))
        assert len(body) < 15_000
        assert np.abs(of(body) - encoded_srgb(COLOURS[1] / 255)).max() <= 1.5
    assert time.thread_time() - started < 1


def test_high_dynamic_range_has_its_white_at_203_nits() -> None:
    """The anchors of ITU-R BT.2408: reference white is 58% of PQ and 75% of HLG."""
    for transfer, signal in ((16, 148), (18, 191)):
        assert np.abs(of(png(np.array([signal] * 3), (b"cICP", bytes([9, transfer, 0, 1])))) - 255).max() <= 3
        assert of(png(np.array([signal // 2] * 3), (b"cICP", bytes([9, transfer, 0, 1])))).max() < 160


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_nclx_of_boxed_formats(kind: str) -> None:
    """The primaries of a file made as sRGB are overwritten: what it shows is P3 then."""
    image = Image.new("RGB", (64, 64), (60, 140, 50))
    body = encoded(image, kind, quality=100, **({"subsampling": "4:4:4"} if kind == "AVIF" else {"chroma": 444}))
    at = body.index(b"colrnclx") + 8
    as_p3 = body[:at] + struct.pack(">HH", 12, 13) + body[at + 4 :]
    expected = linear_to_srgb(decoded_srgb(np.array([60, 140, 50]) / 255), P3)
    assert np.abs(of(body) - (60, 140, 50)).max() <= 3
    assert np.abs(of(as_p3) - np.clip(expected, 0, 255)).max() <= 4


def grey_profile(light: np.ndarray) -> bytes:
    """An ICC profile of greys: the linear light of signals from 0 to 1."""
    curve = b"curv" + bytes(4) + struct.pack(">I", len(light)) + (light * 65535).round().astype(">u2").tobytes()
    white = b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)
    header = b"\x02\x40\0\0mntrGRAYXYZ " + bytes(12) + b"acsp" + bytes(28) + white[8:] + bytes(48)
    index = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"kTRC", 156 + len(white), len(curve))
    return struct.pack(">II", 156 + len(white) + len(curve), 0) + header + index + white + curve


def wide_png(samples: np.ndarray, kind: int, profile: bytes) -> bytes:
    """uint16 [H,W,bands] as a PNG of 16 bits of a colour type, packed by hand."""
    rows = b"".join(b"\0" + row.tobytes() for row in samples.astype(">u2"))
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, kind, 0, 0, 0)
    chunks = [(b"IHDR", header), chunk_of_profile(profile), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    made = b"".join(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + made


DARK = np.arange(0, 3200, 2, dtype=np.uint16).reshape(40, 40)  # of linear light: 0 to 63 of sRGB, 12 steps of 8 bits
IN_COLOUR = np.dstack([DARK, DARK.T, DARK[::-1]])
OPAQUE = np.full((40, 40, 1), 65535, np.uint16)


@pytest.mark.parametrize(
    "kind", ["RGB", "float", "planes", "grey", "PNG", "PNG with alpha", "grey PNG", "grey PNG with alpha", "grey of RGB"]
)
def test_dark_tones_in_linear_light_keep_their_steps(kind: str) -> None:
    """Against the definition of sRGB. In 8 bits before conversion these 1,600 tones were 13, some of them 7 of 255 off."""
    profile = grey_profile(np.linspace(0, 1, 4096)) if "grey" in kind and kind != "grey of RGB" else colour.of_gamma(1.0) or b""
    tiff = {"iccprofile": profile, "photometric": "minisblack" if "grey" in kind else "rgb"}
    stream = io.BytesIO()
    if kind.startswith(("PNG", "grey PNG")):
        samples = DARK[..., None] if "grey" in kind else IN_COLOUR
        number = (0 if "grey" in kind else 2) + (4 if "alpha" in kind else 0)
        stream.write(wide_png(np.dstack([samples, OPAQUE]) if "alpha" in kind else samples, number, profile))
    elif kind == "planes":
        tifffile.imwrite(stream, np.ascontiguousarray(IN_COLOUR.transpose(2, 0, 1)), planarconfig="separate", **tiff)
    else:
        samples = DARK if "grey" in kind else IN_COLOUR
        tifffile.imwrite(stream, (samples / 65535).astype(np.float32) if kind == "float" else samples, **tiff)
    expected = encoded_srgb((np.dstack([DARK] * 3) if "grey" in kind else IN_COLOUR) / 65535).transpose(2, 0, 1)
    assert np.abs(pixels.decode(stream.getvalue(), 40) - expected).max() <= 1.01


def test_a_mean_in_linear_light_is_no_mean_of_what_is_seen() -> None:
    """A photo is converted before it is made smaller where the two differ; training knows photos that were made smaller in sRGB."""
    seen = np.where(np.indices((320, 320)).sum(0) % 2, 200, 20)
    light = np.dstack([decoded_srgb(seen / 255) * 65535] * 3).round().astype(np.uint16)
    stream = io.BytesIO()
    tifffile.imwrite(stream, light, photometric="rgb", iccprofile=colour.of_gamma(1.0))
    for body in (stream.getvalue(), wide_png(light, 2, colour.of_gamma(1.0) or b"")):
        assert np.abs(pixels.decode(body, 40).astype(int) - 110).max() <= 2


@pytest.mark.parametrize(("exponent", "near"), [(2.2, True), (1.8, True), (1.0, False), (3.0, False)])
def test_which_colours_may_be_averaged_before_conversion(exponent: float, near: bool) -> None:
    assert colour.is_near_srgb(colour.of_gamma(exponent)) == near
    assert colour.is_near_srgb(grey_profile(np.linspace(0, 1, 4096) ** exponent)) == near
    assert colour.is_near_srgb(b"none")
