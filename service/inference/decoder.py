"""Body → pixels, in threads beside the event loop and the inference."""

import asyncio
import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store import pixels
from service.errors import UndecodableImage, UnsupportedImage

LARGE_PIXELS = 16_000_000  # over it one image is decoded at a time: decoders take up to 16 bytes a pixel


@dataclass(frozen=True)
class Decoded:
    """An image as the model wants it, and what that took."""

    pixels: NDArray[np.uint8]  # [3, size, size]
    decode_s: float


class Decoder:
    """A pool of threads that decode, large images one at a time. Whoever calls bounds how many images are in its hands."""

    def __init__(self, threads: int, max_pixels: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "decode")
        self._max_pixels = max_pixels
        self._large = threading.Lock()

    async def decode(self, body: bytes, size: int) -> Decoded:
        """Decode an image file to `size` pixels a side. Raises UnsupportedImage or UndecodableImage.

        Cancelled before a thread took it up, it costs nothing.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._decode, body, size)

    def _decode(self, body: bytes, size: int) -> Decoded:
        started = time.monotonic()
        try:
            with pixels.opened(body, self._max_pixels) as picture:
                large = picture.to_decode(size) > LARGE_PIXELS
                with self._large if large else contextlib.nullcontext():
                    decoded = picture.square(size)
        except pixels.UnsupportedFormat as error:
            raise UnsupportedImage(str(error)) from None
        except pixels.UndecodableImage as error:
            raise UndecodableImage(str(error)) from None
        return Decoded(decoded, time.monotonic() - started)

    def close(self) -> None:
        """End the threads after the images they are at."""
        self._pool.shutdown(cancel_futures=True)
