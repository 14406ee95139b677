"""Request → the bytes of the images in it, within limits that are kept while they arrive."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from service.errors import BodyTooLarge, CallerGone, MalformedRequest, QueueFull, SlowUpload, UnsupportedImage

_FORM = "multipart/form-data"
_RAW = ("image/", "application/octet-stream")
_MAX_PARTS = 1024
_LINGER_S = 1.0  # a refused upload is read and dropped this long, so that its sender gets to see the answer

_IMAGE = {"type": "string", "format": "binary"}
IMAGE_BODY: dict[str, object] = {  # as OpenAPI describes it
    "required": True,
    "content": {
        "multipart/form-data": {"schema": {"type": "object", "properties": {"file": _IMAGE}, "required": ["file"]}},
        "image/*": {"schema": _IMAGE},
        "application/octet-stream": {"schema": _IMAGE},
    },
}


class Uploads:
    """The bodies held in memory at one time, and what one of them may cost."""

    def __init__(self, max_body_bytes: int, max_buffered_bytes: int, timeout_s: float) -> None:
        self.max_body_bytes, self.max_buffered_bytes, self.timeout_s = max_body_bytes, max_buffered_bytes, timeout_s
        self.buffered_bytes = 0

    @contextlib.contextmanager
    def room(self) -> Iterator["Room"]:
        """Room for the body of one request, given back at the end of the block."""
        room = Room(self)
        try:
            yield room
        finally:
            self.buffered_bytes -= room.taken_bytes


class Room:
    """Reads the body of one request."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self.taken_bytes = 0

    async def read_image(self, request: Request) -> bytes:
        """The bytes of the one image of a request: its body, or the part `file` of a form.

        Raises MalformedRequest, UnsupportedImage, BodyTooLarge, SlowUpload, QueueFull or CallerGone.
        """
        content_type = request.headers.get("content-type", "application/octet-stream")
        kind = content_type.partition(";")[0].strip().lower()
        if kind == _FORM:
            return _one(form_parts(await self.read(request), content_type), "file")
        if not kind.startswith(_RAW):
            raise UnsupportedImage(
                f"{kind[:100]!r} is not read here; send multipart/form-data with a part 'file', or the image as the body, typed image/*"
            )
        body = await self.read(request)
        if not body:
            raise MalformedRequest("the body is empty; send an image")
        return body

    async def read_images(self, request: Request) -> list["Part"]:
        """The parts `files` of a form, in order, empty ones too; at least one.

        Raises MalformedRequest, UnsupportedImage, BodyTooLarge, SlowUpload, QueueFull or CallerGone.
        """
        content_type = request.headers.get("content-type", "")
        kind = content_type.partition(";")[0].strip().lower()
        if kind != _FORM:
            raise UnsupportedImage(f"{kind[:100]!r} is not read here; send multipart/form-data with one part 'files' for each image")
        parts = form_parts(await self.read(request), content_type)
        found = [part for part in parts if part.name == "files"]
        if not found:
            names = ", ".join(repr(part.name) for part in parts[:8]) or "none"
            raise MalformedRequest(f"the form needs one part 'files' for each image; it has: {names}")
        return found

    async def read(self, request: Request) -> bytes:
        """The whole body, its bytes counted as they arrive, chunked or not.

        Raises BodyTooLarge, SlowUpload, QueueFull or CallerGone.
        """
        limit, timeout_s = self._uploads.max_body_bytes, self._uploads.timeout_s
        stream = request.stream()
        body = bytearray()
        try:
            async with asyncio.timeout(timeout_s):
                declared = request.headers.get("content-length", "")
                too_long = declared.isascii() and declared.isdigit() and int(declared) > limit
                while not too_long and (chunk := await anext(stream, None)) is not None:
                    too_long = len(body) + len(chunk) > limit
                    if not too_long:
                        self._take(len(chunk))
                        body += chunk
                if too_long:
                    body.clear()
                    await _drop(stream, limit)
                    raise BodyTooLarge(f"the body is longer than {limit} bytes; scale the image down")
        except TimeoutError:
            raise SlowUpload(f"the body did not arrive within {timeout_s:g} s") from None
        except ClientDisconnect:
            raise CallerGone("the client closed the connection while sending") from None
        return bytes(body)

    def _take(self, n_bytes: int) -> None:
        if self._uploads.buffered_bytes + n_bytes > self._uploads.max_buffered_bytes:
            raise QueueFull("too many uploads at once; try again later", retry_after_s=1)
        self._uploads.buffered_bytes += n_bytes
        self.taken_bytes += n_bytes


async def _drop(stream: AsyncIterator[bytes], most: int) -> None:
    """Read on for a while without keeping anything: a connection closed at once would lose the answer on its way."""
    dropped, until = 0, time.monotonic() + _LINGER_S
    try:
        async with asyncio.timeout(_LINGER_S):
            async for chunk in stream:
                dropped += len(chunk)
                if dropped > most or time.monotonic() > until:
                    return
    except TimeoutError:
        return


@dataclass
class Part:
    """One part of a form."""

    name: str = ""
    filename: str | None = None
    content: bytearray = field(default_factory=bytearray)


def form_parts(body: bytes, content_type: str) -> list[Part]:
    """The parts of a multipart/form-data body, in order. Raises MalformedRequest."""
    try:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            raise MalformedRequest("the Content-Type names no boundary")
        reader = _FormReader()
        parser = MultipartParser(boundary, reader.callbacks())  # type: ignore[arg-type]
        parser.write(body)
        parser.finalize()
    except (FormParserError, UnicodeError, ValueError) as error:
        raise MalformedRequest(f"the form cannot be read: {str(error)[:200]}") from None
    if not reader.ended:
        raise MalformedRequest("the form ends before its closing boundary")
    return reader.parts


def _one(parts: list[Part], name: str) -> bytes:
    found = [part for part in parts if part.name == name]
    if len(found) != 1:
        names = ", ".join(repr(part.name) for part in parts[:8]) or "none"
        raise MalformedRequest(f"the form needs one part {name!r}; it has: {names}")
    if not found[0].content:
        raise MalformedRequest(f"the part {name!r} is empty; send an image")
    return bytes(found[0].content)


class _FormReader:
    """Collects what the multipart parser calls out."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._field, self._value = b"", b""

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= _MAX_PARTS:
            raise MalformedRequest(f"the form has more than {_MAX_PARTS} parts")
        self.parts.append(Part())

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].content += memoryview(data)[start:end]

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            part = self.parts[-1]
            part.name = options.get(b"name", b"").decode("utf-8", "replace")
            if (filename := options.get(b"filename")) is not None:
                part.filename = filename.decode("utf-8", "replace")
        self._field, self._value = b"", b""

    def _end(self) -> None:
        self.ended = True
