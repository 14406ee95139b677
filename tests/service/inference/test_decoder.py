import asyncio
import io
import time

import numpy as np
import pytest
from PIL import Image

from models_store.pixels import Picture
from service.errors import UndecodableImage, UnsupportedImage
from service.inference import decoder
from service.inference.decoder import Decoder


def png(side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (10, 200, 30)).save(stream, "PNG")
    return stream.getvalue()


async def all_of(running: Decoder, bodies: list[bytes]) -> list[decoder.DecodedSquare]:
    return await asyncio.gather(*(running.decode(body, 32) for body in bodies))


@pytest.mark.parametrize(("large", "at_once"), [(400 * 400 - 1, 1), (400 * 400, 4)])
def test_large_images_are_decoded_one_at_a_time(monkeypatch: pytest.MonkeyPatch, large: int, at_once: int) -> None:
    inside: list[None] = []
    most = 0
    square = Picture.square

    def counted(picture: Picture, *arguments: object) -> np.ndarray:
        nonlocal most
        inside.append(None)
        most = max(most, len(inside))
        time.sleep(0.05)
        inside.pop()
        return square(picture, *arguments)

    monkeypatch.setattr(Picture, "square", counted)
    monkeypatch.setattr(decoder, "LARGE_PIXELS", large)
    running = Decoder(4, 10**6)
    found = asyncio.run(all_of(running, [png(400)] * 8))
    running.close()
    assert most == at_once
    assert (found[0].pixels[:, 0, 0] == (10, 200, 30)).all()


def test_errors_are_the_services_own() -> None:
    running = Decoder(1, 10**6)
    with pytest.raises(UnsupportedImage, match="not an image"):
        asyncio.run(all_of(running, [b"hello"]))
    with pytest.raises(UndecodableImage, match="more than the 1000000 allowed"):
        asyncio.run(all_of(running, [png(1001)]))
    running.close()
