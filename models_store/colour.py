"""Colours to sRGB: by the ICC profile that a file carries, or by one made from the primaries and curve that it names.

Conversion is relative colorimetric, by Little CMS through Pillow, which takes 8 bits a sample. Wider samples are interpolated between
the colours of these: in linear light a step of 8 bits is 13 of sRGB's where it is dark. A profile that is broken, or that is not for
the kind of image it stands in, is ignored, as browsers do.
"""

import functools
import io
import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from models_store.scaling import WideImage, narrowed

MAX_PROFILE_BYTES = 8_000_000  # the largest printing profiles take some 3 MB
_SMALL_PROFILE_BYTES = 65_536  # transforms of more profiles up to this size are kept: cameras' and phones' take a few KB
_CLASSES = (b"scnr", b"mntr", b"prtr", b"spac")  # devices and colour spaces; links and effects are not for images
_SPACES = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}
_ENTRIES = 4096  # of a curve
_NEAR = 24  # of 255: how far mid grey may move; ProPhoto's moves by 18, that of linear light by 60
_AT_ONCE = 2**16  # pixels; each takes some 130 bytes
_FLOATING = (b"D2B", b"B2D")  # tags that tell the same again by as many steps as somebody likes
_MAX_TAGS = 100  # as Little CMS has it

_D50 = np.array([0.9642, 1.0, 0.8249])
_D65 = (0.3127, 0.3290)
_C = (0.310, 0.316)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_WHITE_NITS = 203.0  # of diffuse white in HDR (ITU-R BT.2408); brighter highlights are cut off

Chromaticities = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]  # red, green, blue, white: x, y
Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # signal 0–1 → linear light 0–1

SRGB: Chromaticities = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), _D65)
_ADOBE: Chromaticities = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65)


def to_srgb(image: Image.Image | WideImage, profile: bytes | None) -> Image.Image:
    """An image of mode L, LA, RGB, RGBA or CMYK, or a wider one, in the colours of an ICC profile → RGB or RGBA in sRGB."""
    if isinstance(image, WideImage):
        transform = _transform_for(profile, image.mode)
        if transform is not None:
            converted = _interpolated(transform, image.colours)
            if image.alpha is not None:
                converted.putalpha(narrowed(image.alpha))
            return converted
        image, profile = image.narrowed(), None
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colours = image if alpha is None else image.convert("L" if image.mode == "LA" else "RGB")
    transform = _transform_for(profile, colours.mode)
    if transform is not None:
        colours = transform.apply(colours if colours.mode == transform.input_mode else colours.convert(transform.input_mode))
    converted = colours if colours.mode == "RGB" else colours.convert("RGB")
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def is_near_srgb(profile: bytes | None) -> bool:
    """Whether a mean of pixels comes out much the same before conversion as behind it. In linear light it would be too bright."""
    transform = _transform_for(profile, "RGB") or _transform_for(profile, "L")
    if transform is None:
        return True
    middle = Image.new(transform.input_mode, (1, 1), 128 if transform.input_mode == "L" else (128, 128, 128))
    return bool(np.abs(np.asarray(transform.apply(middle)).astype(int) - 128).max() <= _NEAR)


def _transform_for(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """For an image of mode L, RGB or CMYK; None where there is no profile for it. Greys may be of an RGB space: cameras write so."""
    space = _SPACES.get(profile[16:20]) if profile else None
    if not profile or space is None or (space != mode and (mode, space) != ("L", "RGB")):
        return None
    return (_of_small if len(profile) <= _SMALL_PROFILE_BYTES else _of_large)(profile, space)


def _interpolated(transform: ImageCms.ImageCmsTransform, colours: list[NDArray[np.uint16]]) -> Image.Image:
    """Samples of 16 bits, [H,W] for each band: what comes out at the values of 8 bits around them, interpolated in the simplex."""
    bands = colours * 3 if (len(colours), transform.input_mode) == (1, "RGB") else colours
    height, width = bands[0].shape
    found = np.empty((height, width, 3), np.uint8)
    rows = max(1, _AT_ONCE // width)
    for top in range(0, height, rows):
        samples = np.stack([band[top : top + rows] for band in bands], -1)
        low = samples // 257  # of 8 bits
        share = (samples - low * 257) / np.float32(257)
        steps = np.sort(share, axis=-1)[..., ::-1]  # the corner at the least values, then one band up after the other
        weights = -np.diff(steps, axis=-1, prepend=1, append=0)
        corners = [low, *(low + (share >= steps[..., band, None]) for band in range(len(bands)))]
        mean = np.zeros((*samples.shape[:2], 3), np.float32)
        for band, corner in enumerate(corners):
            pixels = np.minimum(corner, 255).astype(np.uint8)  # over it only where the weight is 0
            image = Image.fromarray(pixels[..., 0]) if len(bands) == 1 else Image.fromarray(pixels, transform.input_mode)
            mean += weights[..., band, None] * np.asarray(transform.apply(image))
        found[top : top + rows] = mean + 0.5
    return Image.fromarray(found)


def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    if len(profile) > MAX_PROFILE_BYTES or profile[12:16] not in _CLASSES:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(_bounded(profile)))
        flags = ImageCms.Flags.NOOPTIMIZE if mode == "L" else ImageCms.Flags.NONE  # its table for greys is 10 of 255 off where it is dark
        return ImageCms.ImageCmsTransform(source, _srgb(), mode, "RGB", ImageCms.Intent.RELATIVE_COLORIMETRIC, flags=flags)
    except Exception:  # as many kinds as profiles can be broken
        return None


def _bounded(profile: bytes) -> bytes:
    """A profile without what may take minutes: the other tags, which it must have (ICC.1, 8.4), take as long as they are large."""
    renamed = bytearray(profile)
    for at in range(132, 132 + 12 * min(int.from_bytes(profile[128:132]), _MAX_TAGS), 12):
        if profile[at : at + 3] in _FLOATING:
            renamed[at : at + 3] = profile[at : at + 3].lower()
    return bytes(renamed)


_of_small, _of_large = functools.lru_cache(16)(_transform), functools.lru_cache(2)(_transform)  # making one takes longer than using it


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def coded(primaries: int, transfer: int, *, full_range: bool = True) -> bytes | None:
    """The profile of ITU-T H.273's code points, as PNG's cICP and the *nclx* of HEIC and AVIF hold them.

    None for sRGB itself, and for codes that are unknown or say nothing. The curves of television (1, 6, 14, 15) count as
    sRGB's, as in browsers: cameras and encoders write them for the same pixels.
    """
    found, curve = _PRIMARIES.get(primaries), _TRANSFERS.get(transfer)
    if found is None or curve is None or (found == SRGB and curve is _srgb_curve and full_range):
        return None
    return _matrix_profile(found, curve if full_range else lambda signal: curve(np.clip((signal * 255 - 16) / 219, 0, 1)))


def of_gamma(exponent: float, chromaticities: Chromaticities = SRGB) -> bytes | None:
    """The profile of signal ** `exponent`. None for sRGB itself, to within the 5% that libpng does not correct either."""
    if abs(exponent / 2.2 - 1) < 0.05 and np.allclose(chromaticities, SRGB, atol=0.002):
        return None
    return _matrix_profile(chromaticities, _power(exponent))


@functools.cache
def adobe_rgb() -> bytes | None:
    """The profile of Adobe RGB (1998), for files that name it without holding it."""
    return _matrix_profile(_ADOBE, _power(563 / 256))


def _matrix_profile(chromaticities: Chromaticities, curve: Curve) -> bytes | None:
    """An ICC profile (version 2) of three primaries, a white and one curve. None when they span no space."""
    columns = np.array([_xyz(x, y) for x, y in chromaticities]).T  # [3,4]: red, green, blue, white
    try:
        matrix = columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3])
        adapted = np.linalg.solve(_BRADFORD, np.diag(_BRADFORD @ _D50 / (_BRADFORD @ columns[:, 3])) @ _BRADFORD) @ matrix
    except np.linalg.LinAlgError:
        return None
    light = curve(np.linspace(0, 1, _ENTRIES))
    if not np.isfinite(adapted).all() or np.abs(adapted).max() > 100 or not np.isfinite(light).all():
        return None
    table = (np.clip(light, 0, 1) * 65535 + 0.5).astype(">u2").tobytes()
    tags = {name: b"XYZ " + bytes(4) + _fixed(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), adapted.T, strict=True)}
    tags[b"wtpt"] = b"XYZ " + bytes(4) + _fixed(_D50)
    tags[b"rTRC"] = tags[b"gTRC"] = tags[b"bTRC"] = b"curv" + bytes(4) + struct.pack(">I", _ENTRIES) + table
    start = 128 + 4 + 12 * len(tags)
    places: dict[bytes, int] = {}
    content = b""
    for data in tags.values():
        if data not in places:
            places[data] = start + len(content)
            content += data
    index = b"".join(name + struct.pack(">II", places[data], len(data)) for name, data in tags.items())
    header = struct.pack(">II", start + len(content), 0) + b"\x02\x40\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28) + _fixed(_D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + index + content


def _fixed(values: NDArray[np.float64]) -> bytes:
    return (values * 65536).round().astype(">i4").tobytes()


def _xyz(x: float, y: float) -> tuple[float, float, float]:
    return (x / y, 1.0, (1 - x - y) / y) if y else (0.0, 0.0, 0.0)


def _power(exponent: float) -> Curve:
    return lambda signal: signal**exponent


def _srgb_curve(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _pq(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """SMPTE ST 2084."""
    root = signal ** (32 / 2523)
    return 10_000 / _WHITE_NITS * (np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)) ** (8192 / 1305)


def _hlg(signal: NDArray[np.float64]) -> NDArray[np.float64]:
    """ITU-R BT.2100's hybrid log-gamma on a display of 1,000 nits."""
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    return 1_000 / _WHITE_NITS * scene**1.2


_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_NTSC: Chromaticities = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65)
_PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB,
    2: SRGB,  # unspecified
    4: ((0.67, 0.33), (0.21, 0.71), (0.14, 0.08), _C),
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), _D65),
    6: _NTSC,
    7: _NTSC,
    8: ((0.681, 0.319), (0.243, 0.692), (0.145, 0.049), _C),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: (*_P3, (0.314, 0.351)),
    12: (*_P3, _D65),
    22: ((0.630, 0.340), (0.295, 0.605), (0.155, 0.077), _D65),
}
_TRANSFERS: dict[int, Curve] = {
    **dict.fromkeys((1, 2, 6, 7, 13, 14, 15), _srgb_curve),
    4: _power(2.2),
    5: _power(2.8),
    8: _power(1.0),
    16: _pq,
    17: _power(2.6),
    18: _hlg,
}
