"""Forms as they arrive: in any pieces, with what may stand around them, and within bounds."""

import pytest

from service.errors import MalformedRequest
from service.http.forms import MAX_PARTS, FormReader

TYPE = "multipart/form-data; boundary=limit"
PART = b'--limit\r\nContent-Disposition: form-data; name="file"; filename="a;b.png"\r\n\r\n'
CONTENT = b"\r\n--limi\r\n\r\n-- \r\r\n--limit" + bytes(range(256)) * 20  # much that is nearly a boundary
CONTENT = CONTENT.replace(b"\r\n--limit", b"\r\n--limi")
END = b"\r\n--limit--\r\n"


def read(body: bytes, step: int = 2**20, *wanted: str) -> FormReader:
    reader = FormReader(TYPE, *(wanted or ("file",)))
    for start in range(0, len(body), step):
        reader.write(body[start : start + step])
    reader.close()
    return reader


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64, 2**20])
@pytest.mark.parametrize(
    "before", [b"", b"\r\n", b"This is a form.\r\nRead it.\r\n", b"--limi\r\n", b"\r\n--\r\n\r\n", b"--limits and more\r\n--limit \tx\r\n"]
)
@pytest.mark.parametrize("after", [b"", b"and this is its end --limit"])
def test_parts_are_what_was_sent(step: int, before: bytes, after: bytes) -> None:
    other = b'--limit\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    note, part = read(before + other + PART + CONTENT + END + after, step, "file", "note").parts
    assert (note.name, note.filename, note.content) == ("note", None, b"hello")
    assert (part.name, part.filename, part.content) == ("file", "a;b.png", CONTENT)


@pytest.mark.parametrize("step", [1, 3, 2**20])
@pytest.mark.parametrize("padding", [b" ", b" \t" * 20])
def test_boundaries_may_be_padded(padding: bytes, step: int) -> None:
    """RFC 2046, 5.1.1: whoever receives them must take them so."""
    line = b"--limit" + padding + b"\r\n"
    padded = (
        PART.replace(b"--limit\r\n", line) + CONTENT + b"\r\n" + PART.replace(b"--limit\r\n", line) + b"x\r\n--limit--" + padding + b"\r\n"
    )
    assert [part.content for part in read(padded, step).parts] == [CONTENT, b"x"]


def test_a_boundary_stands_at_the_start_of_a_line() -> None:
    with pytest.raises(MalformedRequest, match="closing boundary"):
        read(b"text --limit\r\n\r\nx\r\n")


def test_other_parts_are_refused_and_nothing_of_them_is_kept() -> None:
    reader = FormReader(TYPE, "files", "note")
    reader.write(PART + CONTENT + END)
    assert reader.parts == []
    assert reader.names == "'file'"
    with pytest.raises(MalformedRequest, match="a part 'file', which is not known here; its parts are: files, note"):
        reader.close()


def test_a_part_without_a_name_is_refused() -> None:
    with pytest.raises(MalformedRequest, match="a part ''"):
        read(b"--limit\r\n\r\nx" + END)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"--limit\r\n\r\n\r\n" * (MAX_PARTS + 1), "parts"),
        (b"--limit\r\n" + b"A: b\r\n" * 9 + b"\r\nx" + END, "header count"),
        (b"--limit\r\nA: " + b"b" * 2000 + b"\r\n\r\nx" + END, "header size"),
        (b"--limit\r\nContent-Disposition: form-data" + b"; a=b" * 20 + b"\r\n\r\nx" + END, "parameters"),
        (PART + CONTENT, "closing boundary"),
        (b"", "closing boundary"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bounds(body: bytes, said: str) -> None:
    with pytest.raises(MalformedRequest, match=said):
        read(body)


@pytest.mark.parametrize("kind", ["multipart/form-data", "multipart/form-data; boundary=" + "b" * 300, TYPE + ";a=b" * 20])
def test_types_that_are_refused(kind: str) -> None:
    with pytest.raises(MalformedRequest):
        FormReader(kind, "file")
