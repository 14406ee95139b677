"""One photo from wherever it is, within bounds."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cli.archive.reading import BadSource, check_scheme, content, may_lead, scheme
from service.errors import BodyTooLarge, NotReady, ServiceError, UndecodableImage
from tests import fakes, web
from tests.web import Web

MOST_BYTES = 10_000


@pytest.fixture(scope="module")
def server() -> Iterator[Web]:
    with web.running() as running:
        yield running


def read(name: object, base: Path = Path(), timeout_s: float = 20.0) -> bytes:
    return content(str(name), MOST_BYTES, str(base), timeout_s, pauses_s=(0.0,))


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"1" * MOST_BYTES)
    assert read("a.png", tmp_path) == read(tmp_path / "a.png") == b"1" * MOST_BYTES


def refused(kind: type[ServiceError], name: object, timeout_s: float = 20.0) -> str:
    """The sentence with which a photo is refused."""
    try:
        read(name, timeout_s=timeout_s)
    except kind as error:  # let go of here, and with it of what was open
        return str(error)
    raise AssertionError(f"{name} was read")


def test_what_is_no_photo_of_a_usual_length(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"1" * (MOST_BYTES + 1))
    os.mkfifo(tmp_path / "pipe")
    assert "longer than 10000 bytes" in refused(BodyTooLarge, tmp_path / "long")
    assert "it is no file" in refused(UndecodableImage, tmp_path / "pipe")
    assert "it is no file" in refused(UndecodableImage, "/dev/zero")
    assert re.search("Is a directory|it is no file", refused(UndecodableImage, tmp_path))
    assert "No such file" in refused(UndecodableImage, tmp_path / "none.png")
    assert "Input/output error" in refused(NotReady, "/proc/self/mem")  # as of a disk that is gone: no fault of the photo


def test_of_a_web_server(server: Web) -> None:
    assert read(server.url(7)) == fakes.image(server.colour(7))
    assert read(server.url(f"to/{server.url(7)}")) == fakes.image(server.colour(7))
    assert read(server.url("busy-once.png")) == fakes.image(server.colour(1))


def test_a_web_server_decides_nothing_beyond_its_photo(server: Web) -> None:
    assert "the server answers 404" in refused(UndecodableImage, server.url("none"))
    assert "longer than 10000" in refused(BodyTooLarge, server.url("endless"))
    assert re.search("closed the connection too early|IncompleteRead", refused(NotReady, server.url("cut")))
    assert "is not allowed" in refused(UndecodableImage, server.url("to/file:///etc/passwd"))
    assert "leads from http to ftp" in refused(UndecodableImage, server.url("to/ftp://127.0.0.1/a.png"))
    assert "the server answers 302" in refused(UndecodableImage, server.url("around"))


def test_who_trickles_has_no_longer_than_others(server: Web) -> None:
    begun = time.monotonic()
    assert "it did not arrive within 0.2 s" in refused(NotReady, server.url("trickle"), 0.2)
    assert "it did not arrive within 0.2 s" in refused(NotReady, server.url(f"to/{server.url('trickle')}"), 0.2)
    assert time.monotonic() - begun < 10
    assert server.asked[-2] == 4  # each was tried twice


def test_an_object_store_that_trickles(server: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'seedlings[s3]'")
    s3fs.S3FileSystem.clear_instance_cache()  # one of an earlier test knows another address
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "ENDPOINT_URL": server.url("")}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    assert "it did not arrive within 0.3 s" in refused(NotReady, "s3://trickle/a.png", 0.3)


@pytest.mark.parametrize(
    ("url", "to", "may"),
    [
        ("https://a/1", "https://b/1", True),
        ("http://a/1", "https://a/1", True),
        ("http://a/1", "http://a/2", True),
        ("https://a/1", "http://a/1", False),
        ("https://a/1", "ftp://a/1", False),
        ("http://a/1", "file:///etc/passwd", False),
    ],
)
def test_where_a_redirect_may_lead(url: str, to: str, may: bool) -> None:
    assert may_lead(url, to) is may


def test_a_web_server_that_is_not_there(server: Web) -> None:
    assert "refused" in refused(NotReady, "http://127.0.0.1:9/a.png")
    assert "cannot be read" in refused(UndecodableImage, "http://[/a.png")


def test_which_addresses_are_read() -> None:
    assert [scheme(name) for name in ("a.png", "/a/b", "s3://b/k", "HTTPS://a/b", "a b://c")] == [None, None, "s3", "https", None]
    for name in ("a.png", "https://example.org/a"):
        check_scheme(name)
    for name in ("ftp://a/b", "file:///etc/passwd", "github://a"):
        with pytest.raises(BadSource, match="is not read; sources are"):
            check_scheme(name)
