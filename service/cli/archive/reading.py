"""The bytes of one photo: a file, an object of a store, or what a web server sends. Each has its bounds."""

import errno
import functools
import io
import os
import socket
import ssl
import stat
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import IO, Any

from fsspec import AbstractFileSystem
from fsspec.asyn import sync
from fsspec.core import url_to_fs

from models_store import __version__, installing
from service.errors import BodyTooLarge, NotReady, ServiceError, UndecodableImage

STORES = {"s3": "s3", "gs": "gcs"}  # schemes of object stores, and the extras that read them
WEB = ("http", "https")
_PAUSES_S = (0.5, 2.0, 8.0)  # before a second, a third and a fourth try
_LEAST_S = 0.001  # a timeout of 0 would mean none
_CHUNK_BYTES = 2**18
_OF_THE_MACHINE = frozenset(  # errors of a disk that is gone, or of a want of this machine: no fault of the photo
    [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EMFILE, errno.ENFILE, errno.ENOMEM]
)
_MOST_REDIRECTS = 5
_OF_URLS = "%/:=&?~#+!$,;'@()*[]"
_BUSY = (408, 425, 429, 500, 502, 503, 504)  # what a web server says that may answer later


class BadSource(ValueError):
    """A source that cannot be read from here; the message says why and what to do."""


def scheme(name: str) -> str | None:
    """`s3` of `s3://bucket/key`; None of a path."""
    before, mark, _ = name.partition("://")
    return before.lower() if mark and before.isalnum() else None


def check_scheme(name: str) -> None:
    """Raises BadSource unless a photo of this name can be read."""
    if (found := scheme(name)) is None or found in WEB:
        return
    if found not in STORES:
        raise BadSource(f"{found}:// is not read; sources are paths, s3://, gs://, https:// and http://")
    object_store(name)


def object_store(url: str) -> tuple[AbstractFileSystem, str]:
    """The file system of an object store, and the path of `url` in it. Raises BadSource."""
    kind = scheme(url) or ""
    try:
        files, path = url_to_fs(url, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        hint = installing.command(f"seedlings[{STORES.get(kind, kind)}]")
        raise BadSource(f"{kind}:// cannot be read ({error}); run: {hint}") from None
    return files, str(path)


def content(name: str, most_bytes: int, base: str, timeout_s: float, pauses_s: tuple[float, ...] = _PAUSES_S) -> bytes:
    """The bytes of a photo; `base` is the folder in which a relative path begins.

    Raises BodyTooLarge, UndecodableImage for a photo that is not there, or NotReady where its disk, store or server does not answer,
    after some tries. A try has `timeout_s` for all of a photo, however slowly it comes; a file has as long as its disk takes.
    """
    kind = scheme(name)
    if kind is None:
        read: Callable[[], bytes] = functools.partial(of_file, os.path.join(base, name), most_bytes)
    else:
        read = functools.partial(_of_web if kind in WEB else _of_store, name, most_bytes, timeout_s)
    for pause_s in pauses_s:
        try:
            return read()
        except NotReady:
            time.sleep(pause_s)
    return read()


def of_file(path: str | Path, most_bytes: int | None = None) -> bytes:
    """The bytes of a file. Raises BodyTooLarge, UndecodableImage for what is no file or is not there, or NotReady where its disk fails."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe that nobody writes to does not hold it up
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is no file")
            return stream.read() if most_bytes is None else _bounded(stream.read(most_bytes + 1), most_bytes)
    except (OSError, ValueError) as error:
        kind = NotReady if getattr(error, "errno", None) in _OF_THE_MACHINE else UndecodableImage
        raise kind(f"the file cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _of_store(url: str, most_bytes: int, timeout_s: float) -> bytes:
    try:
        files, path = object_store(url)
    except BadSource as error:
        raise UndecodableImage(str(error)) from None
    try:  # both stores are asynchronous underneath; their own way to wait has no deadline
        found: bytes = sync(files.loop, files._cat_file, path, start=0, end=most_bytes + 1, timeout=timeout_s)
    except FileNotFoundError:
        raise UndecodableImage("the photo cannot be read (there is no such object)") from None
    except TimeoutError:
        raise _late(timeout_s) from None
    except Exception as error:  # each store raises what its library does
        if "InvalidRange" in str(error) or "416" in str(error):  # nothing of an empty object can be asked for
            return b""
        raise NotReady(f"the photo cannot be read ({_first_line(error)})") from None
    return _bounded(found, most_bytes)


def _of_web(url: str, most_bytes: int, timeout_s: float) -> bytes:
    parts, length = list[bytes](), 0
    try:
        address = urllib.parse.quote(url, safe=_OF_URLS)  # spaces and letters such as ü; what is quoted stays
        request = urllib.request.Request(address, headers={"User-Agent": f"seedlings/{__version__}"})  # noqa: S310 – of WEB
        until_s = time.monotonic() + timeout_s
        opener = urllib.request.build_opener(_Redirects, _Http(until_s), _Https(until_s))
        with opener.open(request, timeout=timeout_s) as answer:
            while part := answer.read1(_CHUNK_BYTES):
                parts.append(part)
                length += len(part)
                if length > most_bytes:
                    break
            if length <= most_bytes and answer.length:
                raise NotReady("the photo cannot be read (the server closed the connection too early)")
    except urllib.error.HTTPError as error:
        error.close()
        said = f"the photo cannot be read (the server answers {error.code} {error.reason})"
        raise (NotReady if error.code in _BUSY else UndecodableImage)(said) from None
    except ServiceError:
        raise
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise _late(timeout_s) from None
        raise NotReady(f"the photo cannot be read ({_first_line(reason)})") from None
    except ValueError as error:  # an address that is none
        raise UndecodableImage(f"the photo cannot be read ({_first_line(error)})") from None
    return _bounded(b"".join(parts), most_bytes)


def _late(timeout_s: float) -> NotReady:
    return NotReady(f"the photo cannot be read (it did not arrive within {timeout_s:g} s)")


class _Until(io.RawIOBase):
    """What a connection sends until a moment. A timeout of its own bounds each piece alone, so that who trickles is never late."""

    def __init__(self, connection: socket.socket, raw: io.RawIOBase, until_s: float) -> None:
        self._connection, self._raw, self._until_s = connection, raw, until_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    """Head and body are to be there at `until_s`."""

    def __init__(self, until_s: float, connection: socket.socket, *given: Any, **named: Any) -> None:
        super().__init__(connection, *given, **named)
        self.fp = io.BufferedReader(_Until(connection, self.fp.detach(), until_s))


def _connecting(kind: type[HTTPConnection], until_s: float) -> Any:
    """What makes connections whose answers are to be there at `until_s`; to connect takes no longer, either."""

    def connection(host: str, timeout: float, **options: Any) -> HTTPConnection:
        made = kind(host, timeout=max(_LEAST_S, min(timeout, until_s - time.monotonic())), **options)
        made.response_class = functools.partial(_Answer, until_s)  # type: ignore[assignment]
        return made

    return connection


class _Http(urllib.request.HTTPHandler):
    def __init__(self, until_s: float) -> None:
        super().__init__()
        self._until_s = until_s

    def http_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_connecting(HTTPConnection, self._until_s), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, until_s: float) -> None:
        super().__init__(context=_trusted())
        self._until_s = until_s

    def https_open(self, req: urllib.request.Request) -> HTTPResponse:
        return self.do_open(_connecting(HTTPSConnection, self._until_s), req, context=_trusted())


@functools.cache
def _trusted() -> ssl.SSLContext:
    """Made once: to read all certificates takes longer than to answer a photo."""
    return ssl.create_default_context()


def may_lead(url: str, to: str) -> bool:
    """Whether a redirect is followed: to the web alone, and from HTTPS to HTTPS alone."""
    return scheme(to) == "https" or (scheme(to) == "http" and scheme(url) == "http")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a few."""

    max_redirections = _MOST_REDIRECTS

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str) -> Any:
        if not may_lead(req.full_url, newurl):
            fp.close()
            raise UndecodableImage(f"the photo cannot be read (the server leads from {scheme(req.full_url)} to {scheme(newurl)})")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _bounded(found: bytes, most_bytes: int) -> bytes:
    if len(found) > most_bytes:
        raise BodyTooLarge(f"the photo is longer than {most_bytes} bytes; scale it down, or raise SEEDLINGS_MAX_BODY_BYTES")
    return found


def _first_line(error: object) -> str:
    lines = str(error).splitlines()
    return lines[0][:200] if lines else type(error).__name__
