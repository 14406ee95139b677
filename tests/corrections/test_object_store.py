"""Corrections whose photos lie in an object store, by a server that speaks S3."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from corrections.database import Database
from corrections.errors import QuotaExceeded, StorageUnavailable
from corrections.photos import PhotoFiles
from corrections.store import CorrectionStore, Quota
from tests import object_store
from tests.corrections.conftest import new, png
from training.__main__ import main


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """The address of an S3 server with an empty bucket `plants`."""
    with object_store.running("plants") as address:
        yield address


def stored(folder: str) -> set[str]:
    """The names of the objects in a folder of the bucket, asked for anew."""
    import s3fs

    return {name.rpartition("/")[2] for name in s3fs.S3FileSystem(skip_instance_cache=True).find(f"plants/{folder}")}


def opened(folder: Path, place: str, max_rows: int = 100) -> CorrectionStore:
    corrections = CorrectionStore(Database(f"sqlite:///{folder}/c.db"), PhotoFiles(place), Quota(max_rows, 10**6))
    corrections.open()
    return corrections


def test_photos_are_kept_read_exported_and_removed(endpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corrections = opened(tmp_path, "s3://plants/field", max_rows=3)
    kept = [corrections.add(new(i, "Maize", plant=f"pot {i}")) for i in range(3)]
    assert corrections.add(new(0, "Maize", plant="pot 0")).id == kept[0].id  # sent again, kept once
    assert stored("field") == {f"{png(i).sha256}.png" for i in range(3)}
    assert corrections.photo(kept[1].id) == (png(1).content, ".png")
    with pytest.raises(QuotaExceeded):
        corrections.add(new(7))
    for one in kept:
        corrections.review(one.id, 1, "accept", "Ada")
    call = ["data", "corrections", "--database", f"sqlite:///{tmp_path}/c.db", "--photos", "s3://plants/field", "--out"]
    assert main([*call, str(tmp_path / "out")]) == 0
    assert sorted(file.read_bytes() for file in (tmp_path / "out").rglob("*.png")) == sorted(png(i).content for i in range(3))
    for one in kept:
        corrections.remove(one.id)
    corrections.sweep()
    assert stored("field") == set()
    corrections.close()


def test_a_bucket_that_is_not_there_keeps_nothing(endpoint: str, tmp_path: Path) -> None:
    corrections = opened(tmp_path, "s3://weeds/field")
    with pytest.raises(StorageUnavailable, match="cannot be written: there is no such folder or bucket; make it"):
        corrections.add(new(1))
    assert corrections.count() == 0
    corrections.close()


@pytest.mark.parametrize(
    "what",
    [lambda photos: photos.write("a", b"x"), lambda photos: photos.read("a"), lambda photos: photos.remove("a")],
    ids=["write", "read", "remove"],
)
def test_a_store_that_never_answers_is_not_waited_for_for_long(
    endpoint: str, what: Callable[[PhotoFiles], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections, and that is all
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        s3fs.S3FileSystem.clear_instance_cache()
        photos, started = PhotoFiles("s3://plants/field", wait_s=0.5), time.monotonic()
        with pytest.raises(StorageUnavailable, match=r"the photo cannot be .*: no answer in time"):
            what(photos)
        assert time.monotonic() - started < 10  # by itself it is tried for minutes
    s3fs.S3FileSystem.clear_instance_cache()
