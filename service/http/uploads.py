"""Request → the bytes of the images in it, within limits that are kept while they arrive."""

import asyncio
import contextlib
import math
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from starlette.requests import ClientDisconnect, Request

from service.errors import BodyTooLarge, CallerGone, MalformedRequest, QueueFull, SlowUpload, UnsupportedImage
from service.http import forms
from service.http.buffer import Buffer
from service.http.forms import FORM, FormReader, Part
from service.http.pacing import Pacer

_RAW = ("image/", "application/octet-stream")
_PIECE_BYTES = 16 * 2**10
_PIECES_AT_ONCE = 16  # in one round of the event loop: a millisecond
MAX_TEXT_BYTES = 8 * 2**10  # of a part that is no file
HOLDS_S = 2.0  # a body that takes longer to arrive may have to make room
_GZIP, _DEFLATE = 16 + zlib.MAX_WBITS, zlib.MAX_WBITS  # bits of the window, as zlib counts them
_WINDOW = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _DEFLATE}
MAX_MEMBERS = 1024  # of a gzip body, which may be several put together (RFC 1952, 2.2)
_LINGER_S = 1.0  # a refused upload is read and dropped this long, so that its sender gets to see the answer

IMAGE_BODY: dict[str, object] = {  # as OpenAPI describes it
    "required": True,
    "content": {
        **forms.described({"file": forms.IMAGE_FILE}, ["file"]),
        "image/*": {"schema": forms.IMAGE_FILE},
        "application/octet-stream": {"schema": forms.IMAGE_FILE},
    },
}


class Uploads:
    """The bodies held in memory at one time, and what one of them may cost."""

    def __init__(self, max_body_bytes: int, max_buffered_bytes: int, timeout_s: float) -> None:
        self.max_body_bytes, self.max_buffered_bytes, self.timeout_s = max_body_bytes, max_buffered_bytes, timeout_s
        self.buffered_bytes = 0
        self.pieces = Pacer(_PIECES_AT_ONCE)
        self._slots: set[UploadSlot] = set()
        self._joining = asyncio.Lock()

    async def join(self, buffer: Buffer) -> bytes:
        """The bytes of a buffer. Only one is joined in a round of the event loop: large ones take some milliseconds each."""
        async with self._joining:
            content = buffer.content()
            await asyncio.sleep(0)
        return content

    def make_room(self, n_bytes: int) -> None:
        """Room for so many bytes more, if need be that of an upload which has held much for long, and is told so.

        Else a dozen callers who send all but the end of their bodies would keep out all others. Raises QueueFull.
        """
        while self.buffered_bytes + n_bytes > self.max_buffered_bytes:
            slow = max(self._slots, key=lambda slot: slot.burden, default=None)
            if slow is None or not slow.burden:
                raise QueueFull("too many uploads at once; try again later", retry_after_s=1)
            slow.give_way()

    @contextlib.contextmanager
    def slot(self) -> Iterator["UploadSlot"]:
        """Room for the body of one request, given back at the end of the block."""
        slot = UploadSlot(self)
        self._slots.add(slot)
        try:
            yield slot
        finally:
            self._slots.discard(slot)
            self.buffered_bytes -= slot.taken_bytes


class UploadSlot:
    """Reads the body of one request."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self.taken_bytes = 0
        self._since_s = time.monotonic()
        self._timeout: asyncio.Timeout | None = None  # while the body arrives
        self._gave_way = False

    @property
    def burden(self) -> float:
        """Byte-seconds that an upload has held; 0 for one that has not taken long, or is there."""
        age_s = time.monotonic() - self._since_s
        return self.taken_bytes * age_s if self._timeout is not None and age_s > HOLDS_S else 0.0

    def give_way(self) -> None:
        """End the upload, which is answered 408; its room is free at once."""
        self._gave_way = True
        self._uploads.buffered_bytes -= self.taken_bytes
        self.taken_bytes = 0
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(asyncio.get_running_loop().time())

    async def read_image(self, request: Request) -> bytes:
        """The bytes of the one image of a request: its body, or the part `file` of a form.

        Raises MalformedRequest, UnsupportedImage, BodyTooLarge, SlowUpload, QueueFull or CallerGone.
        """
        kind = _kind(request, "application/octet-stream")
        if kind == FORM:
            parts, names = await self._read_form(request, "file")
            if len(parts) != 1:
                raise MalformedRequest(f"the form needs one part 'file'; it has: {names}")
            image = await self._uploads.join(parts[0].buffer)
            if not image:
                raise MalformedRequest("the part 'file' is empty; send an image")
            return image
        if not kind.startswith(_RAW):
            raise UnsupportedImage(
                f"{kind[:100]!r} is not read here; send multipart/form-data with a part 'file', or the image as the body, typed image/*"
            )
        body = await self.read(request)
        if not body:
            raise MalformedRequest("the body is empty; send an image")
        return body

    async def read_images(self, request: Request) -> list[Part]:
        """The parts `files` of a form, in order, empty ones too; at least one.

        Raises MalformedRequest, UnsupportedImage, BodyTooLarge, SlowUpload, QueueFull or CallerGone.
        """
        kind = _kind(request, "")
        if kind != FORM:
            raise UnsupportedImage(f"{kind[:100]!r} is not read here; send multipart/form-data with one part 'files' for each image")
        parts, names = await self._read_form(request, "files")
        if not parts:
            raise MalformedRequest(f"the form needs one part 'files' for each image; it has: {names}")
        return parts

    async def read_fields(self, request: Request, file: str, texts: Sequence[str]) -> tuple[bytes, dict[str, str]]:
        """The part `file` of a form, and its other parts of the names `texts`, each given once at most.

        Raises MalformedRequest, UnsupportedImage, BodyTooLarge, SlowUpload, QueueFull or CallerGone.
        """
        kind = _kind(request, "")
        if kind != FORM:
            raise UnsupportedImage(f"{kind[:100]!r} is not read here; send multipart/form-data with the parts {file}, {', '.join(texts)}")
        parts, names = await self._read_form(request, file, *texts)
        given = [part.name for part in parts]
        if given.count(file) != 1 or len(set(given)) != len(given):
            raise MalformedRequest(f"the form needs one part {file!r}, and each other part once at most; it has: {names}")
        photo = b""
        fields: dict[str, str] = {}
        for part in parts:
            content = await self._uploads.join(part.buffer)
            if part.name == file:
                photo = content
            elif len(content) > MAX_TEXT_BYTES:
                raise MalformedRequest(f"the part {part.name!r} has more than {MAX_TEXT_BYTES} bytes")
            else:
                fields[part.name] = _text(part.name, content)
        if not photo:
            raise MalformedRequest(f"the part {file!r} is empty; send an image")
        return photo, fields

    async def read(self, request: Request, most_bytes: int | None = None) -> bytes:
        """The whole body, of at most so many bytes where that is said. Raises MalformedRequest, BodyTooLarge, SlowUpload, QueueFull
        or CallerGone.
        """
        body = Buffer()
        await self._receive(request, body.write, most_bytes)
        return await self._uploads.join(body)

    async def _read_form(self, request: Request, *wanted: str) -> tuple[list[Part], str]:
        """The parts of these names, and the names of all."""
        reader = FormReader(request.headers["content-type"], *wanted)
        await self._receive(request, reader.write)
        reader.close()
        return reader.parts, reader.names

    async def _receive(self, request: Request, write: Callable[[bytes], object], most_bytes: int | None = None) -> None:
        """Hand the body on in small pieces, inflated, its bytes counted as they arrive, chunked or not.

        Between two pieces the event loop has its turn. Raises what `write` raises, MalformedRequest, BodyTooLarge,
        SlowUpload, QueueFull or CallerGone.
        """
        limit, timeout_s = min(most_bytes or math.inf, self._uploads.max_body_bytes), self._uploads.timeout_s
        inflater = _Inflater(request.headers.getlist("content-encoding"))
        stream = request.stream()
        declared = request.headers.get("content-length", "")
        arrived_bytes = inflated_bytes = 0
        too_long = declared.isascii() and declared.isdigit() and float(declared) > limit  # int refuses long rows of digits
        try:
            async with asyncio.timeout(timeout_s) as self._timeout:
                while not too_long and (chunk := await anext(stream, None)) is not None:
                    arrived_bytes += len(chunk)
                    for piece in inflater.pieces(chunk):
                        inflated_bytes += len(piece)
                        too_long = max(arrived_bytes, inflated_bytes) > limit
                        if too_long:
                            break
                        self._take(len(piece))
                        write(piece)
                        await self._uploads.pieces.next()
                if too_long:
                    if arrived_bytes or "expect" not in request.headers:  # else it waits to be asked for its body
                        await _drop(stream, limit)
                    advice = "" if most_bytes else "; scale the image down, or send fewer at a time"
                    raise BodyTooLarge(f"the body is longer than {limit} bytes{advice}")
        except TimeoutError:
            if self._gave_way:
                raise SlowUpload("too many uploads at once, and this one was slow; try again later, or scale the image down") from None
            raise SlowUpload(f"the body did not arrive within {timeout_s:g} s") from None
        except ClientDisconnect:
            raise CallerGone("the client closed the connection while sending") from None
        finally:
            self._timeout = None
        inflater.close()

    def _take(self, n_bytes: int) -> None:
        if not self._gave_way:
            self._uploads.make_room(n_bytes)
        if self._gave_way:  # perhaps to itself; it hears of its end soon, and what still arrives until then goes with the rest
            return
        self._uploads.buffered_bytes += n_bytes
        self.taken_bytes += n_bytes


async def _drop(stream: AsyncIterator[bytes], most: float) -> None:
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


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise MalformedRequest(f"the part {name!r} is not UTF-8; send its text in this encoding") from None


def _kind(request: Request, default: str) -> str:
    return request.headers.get("content-type", default).partition(";")[0].strip().lower()


class _Inflater:
    """Takes a Content-Encoding off a body, a small piece at a time."""

    def __init__(self, headers: Sequence[str]) -> None:
        """`headers` are all of this name. Raises MalformedRequest for an encoding that is not read here, and for two."""
        names = [name.strip().lower() for header in headers for name in header.split(",")]
        self._encoding = ", ".join(name for name in names if name not in ("", "identity"))
        if self._encoding and self._encoding not in _WINDOW:
            raise MalformedRequest(f"Content-Encoding {self._encoding[:50]!r} is not read here; send gzip, deflate or none")
        self._window = _WINDOW.get(self._encoding, 0)
        self._inflate = zlib.decompressobj(self._window) if self._window else None
        self._n_members = 1

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What `chunk` holds, at most `_PIECE_BYTES` at a time. Raises MalformedRequest."""
        if self._inflate is None:
            for start in range(0, len(chunk), _PIECE_BYTES):
                yield chunk[start : start + _PIECE_BYTES]
            return
        try:
            while chunk:
                if self._inflate.eof:
                    chunk = chunk.lstrip(b"\0")  # padding
                    if not chunk:
                        return
                    self._inflate = self._next_member()
                yield self._inflate.decompress(chunk, _PIECE_BYTES)
                chunk = self._inflate.unused_data or self._inflate.unconsumed_tail
        except zlib.error:
            raise MalformedRequest(f"the body is not {self._encoding}") from None

    def close(self) -> None:
        """The body is there. Raises MalformedRequest if it was cut off."""
        if self._inflate is not None and not self._inflate.eof:
            raise MalformedRequest(f"the {self._encoding} body is cut off")

    def _next_member(self) -> "zlib._Decompress":
        self._n_members += 1
        if self._window != _GZIP:
            raise MalformedRequest(f"bytes follow the {self._encoding} body")
        if self._n_members > MAX_MEMBERS:
            raise MalformedRequest(f"the gzip body consists of more than {MAX_MEMBERS} members")
        return zlib.decompressobj(self._window)
