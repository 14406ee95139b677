"""Requests that are small for their sender and want to be dear for a server: bytes as they go over the wire."""

import gzip
import json
from collections.abc import Iterator

INFER = "/v2/models/seedlings/infer"
MIB = 2**20


def request(path: str, body: bytes, **headers: str) -> bytes:
    """A POST; `headers` with _ for -."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: close", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def gzipped(document: bytes) -> bytes:
    """JSON for the Open Inference Protocol, as gzip."""
    return request(INFER, gzip.compress(document, mtime=0), Content_Type="application/json", Content_Encoding="gzip")


def tensor(name: str, datatype: str, shape: str, data: str) -> bytes:
    """The JSON of a request of one tensor."""
    return f'{{"inputs": [{{"name": "{name}", "datatype": "{datatype}", "shape": {shape}, "data": {data}}}]}}'.encode()


def strings_of_unequal_length(long: int = 60_000, count: int = 1000) -> bytes:
    """One long string and many short ones: an array of strings gives each the room of the longest."""
    return gzipped(tensor("images", "UINT8", "[1,3,150,150]", json.dumps(["a" * long] + [""] * count)))


def shape_of_long_numbers(count: int = 200, digits: int = 4300) -> bytes:
    """Numbers that take a while to multiply and to print."""
    number = "9" * digits
    return gzipped(tensor("encoded", "BYTES", f"[{','.join([number] * count)}]", '["QQ=="]'))


def many_dimensions(rank: int = 2_000_000) -> bytes:
    """A shape of millions of ones."""
    return gzipped(tensor("encoded", "BYTES", f"[{','.join(['1'] * rank)}]", '["QQ=="]'))


def lists(count: int = 2_000_000) -> bytes:
    """Data of empty lists: each is an object that a parser makes."""
    return gzipped(tensor("images", "UINT8", "[1,3,150,150]", f"[{','.join(['[]'] * count)}]"))


def unknown_fields(count: int = 2_000_000) -> bytes:
    """Lists in a field that nobody asked for."""
    return gzipped(b'{"parameters": {"other": [' + b",".join([b"[]"] * count) + b']}, "inputs": []}')


def many_inputs(count: int = 300_000) -> bytes:
    """Inputs by the hundred thousand."""
    one = '{"name":"encoded","shape":[1],"datatype":"BYTES","data":[""]}'
    return gzipped(f'{{"inputs": [{",".join([one] * count)}]}}'.encode())


def many_strings(count: int = 5_000_000) -> bytes:
    """Empty elements by the million."""
    elements = ",".join(['""'] * count)
    return gzipped(tensor("encoded", "BYTES", f"[{count}]", f"[{elements}]"))


def many_numbers(count: int = 9_900_000) -> bytes:
    """As many pixels as a body can hold."""
    return gzipped(tensor("images", "UINT8", "[1,3,150,150]", f"[{','.join(['7'] * count)}]"))


def deep(depth: int = 10_000_000) -> bytes:
    """Lists in lists."""
    return gzipped(tensor("images", "UINT8", "[1,3,150,150]", "[" * depth + "]" * (depth // 2)))


def zeros(path: str = INFER, mib: int = 19) -> bytes:
    """Nothing, inflated."""
    return request(path, gzip.compress(bytes(mib * MIB), mtime=0), Content_Encoding="gzip")


def form(*parts: bytes, boundary: str = "b") -> bytes:
    """A form to /predict of parts that are whole, with their headers."""
    body = b"".join(b"--" + boundary.encode() + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary.encode() + b"--\r\n"
    return request("/predict", body, Content_Type=f"multipart/form-data; boundary={boundary}")


def part_header_of_semicolons(n_bytes: int = 4 * MIB) -> bytes:
    """A part whose header is split at each of its bytes."""
    return form(b'Content-Disposition: form-data; name="file"' + b";" * n_bytes + b"\r\n\r\nx")


def parts_of_semicolons(count: int = 4000) -> bytes:
    """Many parts of headers as long as libraries let pass."""
    return form(*[b"Content-Disposition: form-data" + b";" * 4000 + b"\r\n\r\nx"] * count)


def part_of_many_headers(count: int = 300_000) -> bytes:
    """A part with headers only."""
    return form(b"A: b\r\n" * count + b"\r\nx")


def many_parts(count: int = 1_000_000) -> bytes:
    """Parts of nothing."""
    return form(*[b"\r\n"] * count)


def nearly_boundaries(mib: int = 19) -> bytes:
    """A part of what looks like a boundary until its last byte."""
    boundary = "-" * 60
    return form(
        b'Content-Disposition: form-data; name="file"\r\n\r\n' + (b"\r\n--" + b"-" * 59 + b"+") * (mib * MIB // 64), boundary=boundary
    )


def long_preamble(mib: int = 19) -> bytes:
    """What may stand before the first boundary."""
    body = b"\r\n--" * (mib * MIB // 4) + b"\r\n--b--\r\n"
    return request("/predict", body, Content_Type="multipart/form-data; boundary=b")


def head(n_bytes: int = 100 * MIB, each: int = MIB) -> Iterator[bytes]:
    """A head of headers of some length, piece by piece."""
    yield b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
    for index in range(n_bytes // each):
        yield b"X-%d: " % index + b"a" * each + b"\r\n"
    yield b"\r\n"


def many_headers(count: int = 4000) -> bytes:
    """Short ones."""
    return b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + b"a:\r\n" * count + b"\r\n"


def long_path(n_bytes: int = MIB) -> bytes:
    """A path of a megabyte."""
    return b"GET /" + b"a" * n_bytes + b" HTTP/1.1\r\nHost: x\r\n\r\n"


_CHUNKED = b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk_extensions(mib: int = 100) -> Iterator[bytes]:
    """A chunk of one byte with an extension that does not end."""
    yield _CHUNKED + b"1;"
    for _ in range(mib):
        yield b"a" * MIB
    yield b"\r\nx\r\n0\r\n\r\n"


def small_chunks(count: int = 19 * MIB) -> Iterator[bytes]:
    """A body in chunks of one byte."""
    yield _CHUNKED
    for _ in range(count // 2**16):
        yield b"1\r\nx\r\n" * 2**16
    yield b"0\r\n\r\n"


def trailers(count: int = 2_000_000) -> Iterator[bytes]:
    """Headers that follow a body."""
    yield _CHUNKED + b"1\r\nx\r\n0\r\n"
    for _ in range(count // 2**15):
        yield b"X-Trailer: aaaaaaaaaa\r\n" * 2**15
    yield b"\r\n"


def pipelined(count: int = 100_000) -> bytes:
    """Requests that do not wait for answers."""
    return b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * count


def empty_lines(mib: int = 50) -> Iterator[bytes]:
    """What may stand before a request."""
    for _ in range(mib):
        yield b"\r\n" * (MIB // 2)
