"""multipart/form-data, piece by piece as it arrives."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import MalformedRequest
from service.http.buffer import Buffer

FORM = "multipart/form-data"
MAX_PARTS = 1024
MAX_HEADERS = 8  # of a part
MAX_HEADER_BYTES = 1024
_MAX_OPTIONS = 16  # of a header: splitting them takes a while
_MAX_NAMES = 8  # of parts, in a message
_SHOWN = 100  # characters of a name there
_MAX_PADDING_BYTES = 64  # behind a boundary

IMAGE_FILE: dict[str, Any] = {  # as OpenAPI describes a part that is a photo
    "type": "string",
    "format": "binary",
    "description": "an image file: JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF or HEIC",
}


def described(parts: dict[str, dict[str, Any]], required: Sequence[str]) -> dict[str, Any]:
    """A form's media type, as OpenAPI describes it: `parts` are the schemas of its parts by their names."""
    return {FORM: {"schema": {"type": "object", "properties": parts, "required": [*required], "additionalProperties": False}}}


@dataclass
class Part:
    """One part of a form."""

    name: str = ""
    filename: str | None = None
    buffer: Buffer = field(default_factory=Buffer)

    @property
    def content(self) -> bytes:
        """Its bytes."""
        return self.buffer.content()


class FormReader:
    """Reads a form and keeps its parts, in order. All have one of the names `wanted`: what nothing reads would be lost without a word."""

    def __init__(self, content_type: str, *wanted: str) -> None:
        """Raises MalformedRequest where the type names no boundary."""
        boundary = _options(content_type.encode("latin-1")).get(b"boundary")
        if not boundary:
            raise MalformedRequest("the Content-Type names no boundary")
        callbacks = {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(
                boundary,
                callbacks,  # type: ignore[arg-type]
                max_header_count=MAX_HEADERS,
                max_header_size=MAX_HEADER_BYTES,
            )
        except FormParserError as error:
            raise MalformedRequest(f"the form cannot be read: {str(error)[:200]}") from None
        self._delimiter = b"--" + boundary
        self._first = re.compile(rb"\r\n" + re.escape(self._delimiter) + rb"[ \t]*(\r\n|--)")
        self._before: bytes | None = b"\r\n"  # the end of what stands before the first boundary; None after it
        self._wanted = wanted
        self._ended = False
        self._field, self._value = b"", b""
        self._n_parts = 0
        self._part = Part()  # the one that arrives
        self._names: list[str] = []
        self._unknown: str | None = None  # the first name that is not wanted
        self.parts: list[Part] = []

    def write(self, piece: bytes) -> None:
        """The next bytes of the body. Raises MalformedRequest."""
        if self._before is not None:
            piece = self._skip_preamble(piece)
        try:
            self._parser.write(piece)
        except (FormParserError, UnicodeError) as error:
            raise MalformedRequest(f"the form cannot be read: {str(error)[:200]}") from None

    def close(self) -> None:
        """The body is there. Raises MalformedRequest if the form is not whole, or has a part that is not wanted."""
        if not self._ended:
            raise MalformedRequest("the form ends before its closing boundary")
        if self._unknown is not None:
            raise MalformedRequest(
                f"the form has a part {self._unknown!r}, which is not known here; its parts are: {', '.join(self._wanted)}"
            )

    @property
    def names(self) -> str:
        """The names of its first parts, for people."""
        return ", ".join(repr(name) for name in self._names) or "none"

    def _skip_preamble(self, piece: bytes) -> bytes:
        """What follows of `piece` from the first boundary on; it stands at the start of a line (RFC 2046, 5.1.1)."""
        assert self._before is not None
        text = self._before + piece
        if found := self._first.search(text):
            self._before = None
            return self._delimiter + found[1] + text[found.end() :]
        self._before = text[-len(self._delimiter) - _MAX_PADDING_BYTES :]
        return b""

    def _begin(self) -> None:
        self._n_parts += 1
        if self._n_parts > MAX_PARTS:
            raise MalformedRequest(f"the form has more than {MAX_PARTS} parts")
        self._part = Part()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part.name in self._wanted:
            self._part.buffer.write(data[start:end])

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            options = _options(self._value)
            self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
            if (filename := options.get(b"filename")) is not None:
                self._part.filename = filename.decode("utf-8", "replace")
        self._field, self._value = b"", b""

    def _headers_finished(self) -> None:
        if self._part.name in self._wanted:
            self.parts.append(self._part)
        elif self._unknown is None:
            self._unknown = self._part.name[:_SHOWN]
        if len(self._names) < _MAX_NAMES:
            self._names.append(self._part.name[:_SHOWN])

    def _end(self) -> None:
        self._ended = True


def _options(header: bytes) -> dict[bytes, bytes]:
    if header.count(b";") > _MAX_OPTIONS:
        raise MalformedRequest(f"a header of the form has more than {_MAX_OPTIONS} parameters")
    return parse_options_header(header)[1]
