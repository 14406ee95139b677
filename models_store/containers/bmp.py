"""BMP: colours packed by masks, which Pillow knows few of, and the ICC profile that Pillow does not look for."""

import io
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, Image

from models_store import colour
from models_store.containers.opened import Opened
from models_store.errors import UndecodableImage
from models_store.scaling import CropSize, WideImage, square_of_samples

SIGNATURE = b"BM"
_MASKED = (3, 6)  # compressions: masks of red, green and blue, or of alpha as well
_RUNS = (1, 2)  # compressions: run lengths of 8 bits, of 4
MAX_RUNS_BYTES = 2 * 2**20  # a third of a second: Pillow reads them in Python
_WITH_MASKS, _WITH_ALPHA_MASK, _WITH_PROFILE = 52, 56, 124  # the sizes of headers, from which on
_EMBEDDED = b"DEBM"


def opened(body: bytes) -> Opened:
    """Read the header. Raises UndecodableImage, or what Pillow raises."""
    header = int.from_bytes(body[14:18], "little")
    profile = _profile(body) if header >= _WITH_PROFILE else None
    if header >= 40 and len(body) >= 70:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", body, 18)
        if compression in _RUNS and len(body) > MAX_RUNS_BYTES:
            raise UndecodableImage(f"the BMP is of run lengths and longer than {MAX_RUNS_BYTES} bytes; save it as a PNG or a JPEG")
        if compression in _MASKED and bits in (16, 32):
            with_alpha = header >= _WITH_ALPHA_MASK or compression == 6
            masks = struct.unpack_from("<4I" if with_alpha else "<3I", body, 54)
            return _Masked(body, _Layout(width, abs(height), bits // 8, masks, upwards=height > 0), profile)
    return Opened(BmpImagePlugin.BmpImageFile(io.BytesIO(body)), profile)


@dataclass(frozen=True)
class _Layout:
    width: int
    height: int
    item: int  # bytes of a pixel
    masks: tuple[int, ...]
    upwards: bool


class _Masked(Opened):
    """Pixels of 2 or 4 bytes, of which masks take the colours."""

    def __init__(self, body: bytes, layout: _Layout, profile: bytes | None) -> None:
        super().__init__(Image.new("RGB", (1, 1)), profile)  # what Pillow would read of it
        self._body, self._layout = body, layout
        bits = sum(mask.bit_count() for mask in layout.masks)
        merged = layout.masks[0] | layout.masks[1] | layout.masks[2] | (layout.masks[3] if len(layout.masks) > 3 else 0)
        whole = all(_is_run(mask) for mask in layout.masks) and all(layout.masks[:3])
        if not whole or merged.bit_count() != bits or merged >> (8 * layout.item):
            raise UndecodableImage("the BMP's masks of colours are none that can be; it is damaged, save it as a PNG or a JPEG")

    @property
    def size(self) -> tuple[int, int]:
        return self._layout.width, self._layout.height

    def load(self) -> None:
        """Nothing: the pixels lie there as they are."""

    def scaled(self, cut: CropSize | None) -> WideImage:
        layout = self._layout
        start = int.from_bytes(self._body[10:14], "little")
        row = -(-layout.width * layout.item // 4) * 4  # bytes
        if start + row * layout.height > len(self._body):
            raise UndecodableImage("the BMP is cut off: it has fewer pixels than its header says")
        rows = np.frombuffer(self._body, np.uint8, row * layout.height, start).reshape(layout.height, row)
        values = rows[:, : layout.width * layout.item].view(f"<u{layout.item}")
        bands = [_band(values[::-1] if layout.upwards else values, mask) for mask in layout.masks if mask]
        alpha = bands.pop() if len(bands) > 3 else None
        if alpha is not None and not alpha.any():
            alpha = None  # programs that know no transparency leave it empty
        return square_of_samples(bands, cut, alpha)


def _is_run(mask: int) -> bool:
    """Whether the bits of a mask stand side by side, and 16 at most."""
    run = mask // (mask & -mask) if mask else 0
    return not run & (run + 1) and run < 1 << 16


def _band(values: NDArray[np.unsignedinteger], mask: int) -> NDArray[np.uint16]:
    """What a mask takes of each value, brought to 0–65535."""
    low = (mask & -mask).bit_length() - 1
    largest = mask >> low
    table = (np.arange(largest + 1) * 65535 / largest + 0.5).astype(np.uint16)
    band: NDArray[np.uint16] = table[(values & values.dtype.type(mask)) >> values.dtype.type(low)]
    return band


def _profile(body: bytes) -> bytes | None:
    if body[70:74] != _EMBEDDED or len(body) < 14 + _WITH_PROFILE:
        return None
    start, length = struct.unpack_from("<II", body, 14 + 112)
    return body[14 + start : 14 + start + length] if length <= colour.MAX_PROFILE_BYTES else None
