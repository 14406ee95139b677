"""Body → pixels, in threads beside the event loop and the inference."""

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from models_store import pixels
from models_store.pixels import Crop, FittedImage
from service.errors import MalformedRequest, UndecodableImage, UnsupportedImage
from service.process import tracing

T = TypeVar("T")
Arguments = ParamSpec("Arguments")
LARGE_PIXELS = 16_000_000  # over it one image is decoded at a time: decoders take up to 16 bytes a pixel


@dataclass(frozen=True)
class DecodedSquare:
    """An image as the model wants it, and what that took."""

    pixels: NDArray[np.uint8]  # [3, size, size]
    decode_s: float
    crop: Crop  # which square of the image these are
    central: bool  # the central one


@dataclass(frozen=True)
class Photo:
    """All of an image, upright, and what that took."""

    fitted: FittedImage
    decode_s: float


class Decoder:
    """A pool of threads that decode, large images one at a time. Whoever calls bounds how many images are in its hands."""

    def __init__(self, threads: int, max_pixels: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "decode")
        self._max_pixels = max_pixels
        self._large = threading.Lock()

    async def decode(self, body: bytes, size: int, crop: Crop | None = None) -> DecodedSquare:
        """Decode the central square of an image file, or of a crop of it, to `size` pixels a side.

        Raises UnsupportedImage, UndecodableImage, or MalformedRequest for a crop that does not lie in the image.

        Cancelled before a thread took it up, it costs nothing.
        """
        with tracing.span("decode"):
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._decode, body, size, crop)

    async def photo(self, body: bytes, side: int) -> Photo:
        """Decode all of an image file, its longer side `side` pixels at most. Raises UnsupportedImage or UndecodableImage."""
        with tracing.span("decode"):
            return await self.run(self._photo, body, side)

    async def run(self, work: Callable[Arguments, T], *arguments: Arguments.args, **named: Arguments.kwargs) -> T:
        """What `work` gives, in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, functools.partial(work, *arguments, **named))

    def _photo(self, body: bytes, side: int) -> Photo:
        started = time.monotonic()
        with _as_errors_of_the_service(), pixels.opened(body, self._max_pixels) as picture:
            large = picture.fitted_pixels(side) > LARGE_PIXELS
            with self._large if large else contextlib.nullcontext():
                fitted = picture.fitted(side)
        return Photo(fitted, time.monotonic() - started)

    def _decode(self, body: bytes, size: int, crop: Crop | None) -> DecodedSquare:
        started = time.monotonic()
        with _as_errors_of_the_service(), pixels.opened(body, self._max_pixels) as picture:
            large = picture.to_decode(size, crop) > LARGE_PIXELS
            with self._large if large else contextlib.nullcontext():
                square = picture.square(size, crop)
        return DecodedSquare(square.pixels, time.monotonic() - started, square.crop, square.central)

    def close(self) -> None:
        """End the threads after the images they are at."""
        self._pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def _as_errors_of_the_service() -> Iterator[None]:
    try:
        yield
    except pixels.UnsupportedFormat as error:
        raise UnsupportedImage(str(error)) from None
    except pixels.UndecodableImage as error:
        raise UndecodableImage(str(error)) from None
    except pixels.CropOutside as error:
        raise MalformedRequest(str(error)) from None
