"""Image files that are small and want to be dear for a decoder."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

MIB = 2**20


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*before: bytes, width: int = 64, height: int = 64) -> bytes:
    """A black PNG of one bit a pixel, with chunks before its pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    pixels = png_chunk(b"IDAT", zlib.compress(bytes((1 + (width + 7) // 8) * height), 9))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(before) + pixels + png_chunk(b"IEND", b"")


def png_text_bombs(count: int = 300, mib: int = 60) -> bytes:
    """Texts that inflate a thousandfold."""
    text = zlib.compress(bytes(mib * MIB), 9)
    one = png_chunk(b"zTXt", b"a\0\0" + text)
    return png(*[one] * count)


def png_profile_bomb(mib: int = 1024) -> bytes:
    """A colour profile that inflates a thousandfold."""
    deflate = zlib.compressobj(9)
    profile = b"".join([*(deflate.compress(bytes(MIB)) for _ in range(mib)), deflate.flush()])
    return png(png_chunk(b"iCCP", b"a\0\0" + profile))


def png_many_chunks(count: int = 1_500_000) -> bytes:
    """Chunks of nothing."""
    return png(png_chunk(b"tEXt", b"a\0") * count)


def png_of_most_pixels(side: int = 8000) -> bytes:
    """As many pixels as are allowed by default, in some kilobytes."""
    return png(width=side, height=side)


def tiff(*entries: tuple[int, int, int, int], next_at: int = 8, after: bytes = b"") -> bytes:
    """A TIFF of one directory, at byte 8, of (tag, type, count, value); the next one stands at `next_at`."""
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<I", 8) + directory + struct.pack("<I", next_at) + after


_GREY = (
    (256, 4, 1, 64),
    (257, 4, 1, 64),
    (258, 3, 1, 8),
    (259, 3, 1, 1),
    (262, 3, 1, 1),
    (273, 4, 1, 200),
    (278, 4, 1, 64),
    (279, 4, 1, 4096),
)


def tiff_of_a_loop() -> bytes:
    """The next directory is the first one."""
    return tiff(*_GREY, after=bytes(8192))


def tiff_of_many_tags(count: int = 65_000, n_bytes: int = 19 * MIB) -> bytes:
    """Tags that all point to the same bytes: read one by one they are gigabytes."""
    return tiff(*_GREY, *[(1000 + index % 60_000, 7, n_bytes - MIB, 8) for index in range(count)], next_at=0, after=bytes(n_bytes - MIB))


def tiff_of_one_long_tag(n_bytes: int = 18 * MIB) -> bytes:
    """Bytes that become a number each."""
    return tiff(*_GREY, (1000, 3, n_bytes // 2, 400), next_at=0, after=bytes(n_bytes + 400))


def _frames(count: int, side: int) -> list[Image.Image]:
    return [Image.new("RGB", (side, side), (index % 251, index % 7 * 30, 90)) for index in range(count)]


def animation(kind: str, count: int = 10_000, side: int = 16) -> bytes:
    """Thousands of frames, in a format of Pillow's that has them."""
    first, *others = _frames(count, side)
    stream = io.BytesIO()
    options = {"GIF": {}, "WEBP": {"lossless": True, "method": 0}, "AVIF": {"speed": 10}, "TIFF": {}}[kind]
    first.save(stream, kind, save_all=True, append_images=others, duration=10, **options)
    return stream.getvalue()


def webp_animation_of_large_frames(count: int = 10, side: int = 5000) -> bytes:
    """Frames of the most pixels allowed."""
    return animation("WEBP", count, side)


def jpeg_of_scans(scans: int = 500, side: int = 4096) -> bytes:
    """A progressive JPEG whose last scan stands there again and again: each goes over all the pixels."""
    stream = io.BytesIO()
    Image.fromarray(np.zeros((side, side), np.uint8)).save(stream, "JPEG", progressive=True, quality=50)
    whole = stream.getvalue()
    last = whole.rfind(b"\xff\xda")
    return whole[:last] + whole[last:-2] * scans + b"\xff\xd9"


def jpeg_of_markers(count: int = 4_000_000) -> bytes:
    """Segments of nothing."""
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "JPEG")
    whole = stream.getvalue()
    return whole[:2] + b"\xff\xe5\0\2" * count + whole[2:]


def jpeg_of_filler(n_bytes: int = 19 * MIB, filler: bytes = b"\xff") -> bytes:
    """What may stand between two segments."""
    return b"\xff\xd8\xff\xe0\0\2" + filler * (n_bytes // len(filler)) + b"\xff\xda"


def jpeg_of_profile_pieces(count: int = 250) -> bytes:
    """A colour profile in as many pieces as there can be."""
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "JPEG", icc_profile=bytes(65_000 * count))
    return stream.getvalue()


def exif_of_shared_values(count: int = 5000, value_bytes: int = 58_000) -> bytes:
    """EXIF whose tags all point to the same bytes: read one by one they are many times as long."""
    index = struct.pack("<H", count) + b"".join(
        struct.pack("<HHII", 1000 + tag, 7, value_bytes, 10 + 12 * count - value_bytes) for tag in range(count)
    )
    return b"II*\0" + struct.pack("<I", 8) + index + bytes(4)


def jpeg_of_exif(count: int = 5000) -> bytes:
    """The longest EXIF of a JPEG: 300 MB once read."""
    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "JPEG", exif=b"Exif\0\0" + exif_of_shared_values(count))
    return stream.getvalue()


def png_of_exif(count: int = 60_000, mib: int = 18) -> bytes:
    """EXIF of megabytes, a terabyte once read."""
    index = struct.pack("<H", count) + b"".join(struct.pack("<HHII", 1000 + tag % 60_000, 7, mib * MIB, 8) for tag in range(count))
    return png(png_chunk(b"eXIf", b"II*\0" + struct.pack("<I", 8) + index + bytes(4 + mib * MIB)))


def bmp_of_runs(n_bytes: int = 19 * MIB, side: int = 8000) -> bytes:
    """Run lengths of one pixel each, which Pillow reads in Python."""
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 8, 1, 0, 0, 0, 256, 0)
    data = b"\1\7" * (n_bytes // 2) + b"\0\1"
    palette = bytes(1024)
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(data), 0, 0, 54 + 1024) + header + palette + data


def tiff_of_strips(count: int = 2_400_000) -> bytes:
    """A strip for each row of eight pixels."""
    at = 8 + 2 + 12 * 8 + 4
    entries = (
        (256, 4, 1, 8),
        (257, 4, 1, count),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, count, at),
        (278, 4, 1, 1),
        (279, 4, count, at + 4 * count),
    )
    return tiff(*entries, next_at=0, after=struct.pack("<I", 8) * count + struct.pack("<I", 8) * count)
