"""Bodies as they are read: how often they are copied, what is counted, what is inflated."""

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request

from service.errors import BodyTooLarge, MalformedRequest, QueueFull
from service.http.uploads import MAX_MEMBERS, Uploads
from tests import fakes
from tests.service.conftest import Running

MIB = 2**20
FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n%b\r\n--b--\r\n'


def requested(chunks: Iterator[bytes], **headers: str) -> Request:
    """A request whose body arrives in these chunks."""

    async def receive() -> dict[str, Any]:
        chunk = next(chunks, None)
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": named}, receive)


def read_image(uploads: Uploads, chunks: Iterator[bytes], **headers: str) -> bytes:
    images = []

    async def read() -> None:
        with uploads.slot() as upload:
            images.append(await upload.read_image(requested(chunks, **headers)))
            assert uploads.buffered_bytes >= len(images[0])

    asyncio.run(read())  # its own result it would print, and that is long
    return images[0]


@pytest.mark.parametrize("form", [False, True], ids=["body", "form"])
def test_a_body_is_held_twice_at_most(form: bool) -> None:
    uploads, size, step = Uploads(100 * MIB, 100 * MIB, 60), 20 * MIB, 2**16

    def chunks() -> Iterator[bytes]:
        head, _, tail = (FORM if form else b"%b").partition(b"%b")
        yield head
        for _ in range(size // step):
            yield bytes(step)
        yield tail

    tracemalloc.start()
    try:
        image = read_image(uploads, chunks(), content_type="multipart/form-data; boundary=b" if form else "image/png")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(image) == size
    assert peak < 2 * size + 2 * MIB
    assert uploads.buffered_bytes == 0


@pytest.mark.slow
def test_small_chunks_take_no_more_than_large_ones() -> None:
    uploads = Uploads(MIB, MIB, 60)
    tracemalloc.start()
    try:
        image = read_image(uploads, (bytes([index % 256]) for index in range(100_000)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert image == (bytes(range(256)) * 391)[:100_000]
    assert peak < MIB


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("X-Gzip", gzip.compress)])
@pytest.mark.parametrize("form", [False, True], ids=["body", "form"])
def test_encodings_are_read_on_every_route(service: Running, encoding: str, pack: Any, form: bool) -> None:
    body = FORM % fakes.image() if form else fakes.image()
    kind = "multipart/form-data; boundary=b" if form else "image/png"
    response = service.client.post("/predict", content=pack(body), headers={"Content-Encoding": encoding, "Content-Type": kind})
    assert response.status_code == 200, response.text
    assert response.json()["species"] == "Maize"


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("br", b"a"),
        ("gzip", b"no gzip"),
        ("gzip", gzip.compress(fakes.image())[:-9]),
        ("gzip", gzip.compress(fakes.image()) + b"more"),
        ("deflate", zlib.compress(fakes.image()) + b"more"),
        ("gzip, gzip", gzip.compress(gzip.compress(fakes.image()))),
        ("gzip", gzip.compress(b"") * (MAX_MEMBERS + 1)),
    ],
    ids=[
        "unknown",
        "no gzip",
        "cut off",
        "more behind gzip",
        "more behind deflate",
        "two",
        "many members",
    ],  # gzip holds the time: as names of tests the bytes would differ between processes
)
def test_other_encodings_are_refused(service: Running, encoding: str, content: bytes) -> None:
    assert service.client.post("/predict", content=content, headers={"Content-Encoding": encoding}).status_code == 400


def test_an_encoding_named_in_two_headers_is_two(service: Running) -> None:
    twice = [("Content-Encoding", "gzip"), ("Content-Encoding", "gzip")]
    response = service.client.post("/predict", content=gzip.compress(gzip.compress(fakes.image())), headers=twice)
    assert response.status_code == 400
    assert "'gzip, gzip'" in response.json()["detail"]


def test_gzip_may_be_put_together_and_padded(service: Running) -> None:
    image = fakes.image()
    content = gzip.compress(image[:50]) + gzip.compress(b"") + gzip.compress(image[50:]) + bytes(512)
    response = service.client.post("/predict", content=content, headers={"Content-Encoding": "identity, gzip"})
    assert response.status_code == 200, response.text
    assert response.json()["species"] == "Maize"


def test_a_client_that_waits_to_be_asked_for_a_body_too_long_is_not_asked(service: Running) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 999999999\r\n\r\n"
    with service.raw(head) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_a_length_may_begin_with_any_number_of_zeros(service: Running) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + b"0" * 5000 + b"3\r\n\r\nabc"
    with service.raw(head) as connection:
        assert connection.recv(1000).startswith(b"HTTP/1.1 415 ")


def test_inflated_bytes_are_counted() -> None:
    bomb = gzip.compress(bytes(10 * MIB))
    with pytest.raises(QueueFull):
        read_image(Uploads(100 * MIB, MIB, 60), iter([bomb]), content_encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            read_image(Uploads(MIB, 100 * MIB, 60), iter([bomb]), content_encoding="gzip")
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()


def test_other_work_has_its_turn_while_a_body_is_read() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def read() -> None:
        other = asyncio.ensure_future(count())
        with pytest.raises(MalformedRequest), Uploads(100 * MIB, 100 * MIB, 60).slot() as upload:
            await upload.read_image(
                requested(iter([b"\r\n--b\r\n" + b"a: b\r\n" * 400_000]), content_type="multipart/form-data; boundary=b")
            )
        with Uploads(100 * MIB, 100 * MIB, 60).slot() as upload:
            await upload.read(requested(iter([gzip.compress(bytes(5 * MIB))]), content_encoding="gzip"))
        other.cancel()

    asyncio.run(read())
    assert turns >= 5 * MIB // 2**14 // 16  # pieces of 16 KiB, 16 of them in a round
