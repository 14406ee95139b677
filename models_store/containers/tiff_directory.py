"""The first directory of a TIFF or BigTIFF, read within bounds and written anew."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from models_store.errors import UndecodableImage

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # bytes of each type
_WHOLE = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}  # types of whole numbers
_MAX_NUMBERS = 2**18  # a palette of 16 bits has three quarters of that
_SHORT, _LONG, _RATIONAL = 3, 4, (5, 10)


@dataclass(frozen=True)
class Field:
    """One entry: its type, the number of its values, and their bytes."""

    kind: int
    count: int
    data: bytes


class Directory:
    """Entries by tag."""

    def __init__(self, order: Literal["<", ">"], fields: dict[int, Field]) -> None:
        self.order, self._fields = order, fields

    @classmethod
    def read(cls, body: bytes, wanted: Iterable[int]) -> "Directory":
        """The wanted entries of the first directory. Raises UndecodableImage for one that leads out of the file."""
        order: Literal["<", ">"] = "<" if body[:2] == b"II" else ">"
        big = body[2:4] in (b"+\0", b"\0+")
        entry, inline = (order + "HHQ", 8) if big else (order + "HHI", 4)
        try:
            (at,) = struct.unpack_from(order + ("Q" if big else "I"), body, 8 if big else 4)
            (entries,) = struct.unpack_from(order + ("Q" if big else "H"), body, at)
            at += 8 if big else 2
            fields: dict[int, Field] = {}
            room = len(body)
            for place in range(at, at + min(entries, 65_535) * (12 + 2 * (inline - 4)), 12 + 2 * (inline - 4)):
                tag, kind, count = struct.unpack_from(entry, body, place)
                if tag not in wanted or kind not in _SIZES or tag in fields:
                    continue
                size, start = count * _SIZES[kind], place + struct.calcsize(entry)
                if size > inline:
                    (start,) = struct.unpack_from(order + ("Q" if big else "I"), body, start)
                room -= size
                if room < 0 or start + size > len(body):  # values do not overlap, so together they fit
                    raise UndecodableImage("the TIFF's directory leads out of the file; it is damaged or cut off")
                fields[tag] = Field(kind, count, body[start : start + size])
        except struct.error:
            raise UndecodableImage("the TIFF's directory leads out of the file; it is damaged or cut off") from None
        return cls(order, fields)

    def numbers(self, tag: int, default: tuple[int, ...]) -> tuple[int, ...]:
        """The whole numbers of a tag. Raises UndecodableImage for more of them than any image has."""
        field = self._fields.get(tag)
        if field is None or field.kind not in _WHOLE or not field.count:
            return default
        if field.count > _MAX_NUMBERS:  # nothing else in this process runs while they become objects
            raise UndecodableImage(f"the TIFF has {field.count} values in its tag {tag}, over the {_MAX_NUMBERS} allowed; save it anew")
        return struct.unpack(f"{self.order}{field.count}{_WHOLE[field.kind]}", field.data)

    def number(self, tag: int, default: int) -> int:
        """The first whole number of a tag."""
        return self.numbers(tag, (default,))[0]

    def ratios(self, tag: int) -> tuple[float, ...]:
        """The fractions of a tag; a division by 0 gives 0."""
        field = self._fields.get(tag)
        if field is None or field.kind != _RATIONAL[0]:
            return ()
        numbers = struct.unpack(f"{self.order}{2 * field.count}I", field.data)
        return tuple(above / below if below else 0.0 for above, below in zip(numbers[::2], numbers[1::2], strict=True))

    def data(self, tag: int) -> bytes | None:
        """The bytes of a tag."""
        field = self._fields.get(tag)
        return field.data if field else None

    def only(self, tags: Iterable[int]) -> dict[int, Field]:
        """The entries of these tags."""
        return {tag: field for tag, field in self._fields.items() if tag in tags}

    def instead_in(self, body: bytes, fields: dict[int, Field]) -> bytes:
        """The file with a directory of these entries, read from it or made by `whole`, in place of its own, and no other one.

        It is a little-endian TIFF, whatever the file was: so the order of bytes is right only for what is in bytes or in none.
        """
        at = len(body) + len(body) % 2
        values_at = at + 2 + 12 * len(fields) + 4
        index, values = struct.pack("<H", len(fields)), b""
        for tag, field in sorted(fields.items()):
            kind, data = field.kind, field.data
            if kind in _WHOLE and tag in self._fields and self._fields[tag] is field:
                numbers = self.numbers(tag, ())
                kind = _LONG if _SIZES[kind] == 8 else kind
                data = struct.pack(f"<{len(numbers)}{_WHOLE[kind]}", *numbers)
            elif kind in _RATIONAL:
                data = struct.pack(f"<{len(data) // 4}I", *struct.unpack(f"{self.order}{len(data) // 4}I", data))
            if len(data) > 4:
                index += struct.pack("<HHII", tag, kind, field.count, values_at + len(values))
                values += data + bytes(len(data) % 2)
            else:
                index += struct.pack("<HHI", tag, kind, field.count) + data.ljust(4, b"\0")
        return b"".join([struct.pack("<2sHI", b"II", 42, at), memoryview(body)[8:], bytes(len(body) % 2), index, bytes(4), values])


def whole(*numbers: int) -> Field:
    """A new entry of whole numbers, for `Directory.instead_in`."""
    return Field(_LONG, len(numbers), struct.pack(f"<{len(numbers)}I", *numbers))


def shorts(*numbers: int) -> Field:
    """A new entry of whole numbers up to 65,535."""
    return Field(_SHORT, len(numbers), struct.pack(f"<{len(numbers)}H", *numbers))
