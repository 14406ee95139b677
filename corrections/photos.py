"""The photo files: in a folder or an object store, by an fsspec URL. A file is named by the SHA-256 of its content."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from corrections.errors import InvalidText, StorageUnavailable
from models_store import temporary

_WRITING = ".writing-"  # what the name of a file begins with until it is whole


def place_of(database: str, photos: str | None) -> str | None:
    """Where the photos of a database are: as `photos` says, or beside the file of SQLite. None where that is not to be told."""
    beside = database.removeprefix("sqlite:///")
    return photos or (f"{beside}-photos" if beside != database else None)


class PhotoFiles:
    """Files by name. What fails is Unavailable."""

    def __init__(self, url: str) -> None:
        """Raises InvalidText for a URL that no installed file system reads."""
        try:
            self._files, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise InvalidText(f"photos cannot be kept at {url.partition('://')[0]}://…: {error}") from None
        self._root = str(root).rstrip("/")
        self._local = isinstance(self._files, LocalFileSystem)

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file, or none. It may be there already."""
        path = self._path(name)
        with _answering("written"):
            if not self._local:
                self._files.pipe_file(path, content)  # object stores show a file once it is whole
                return
            folder = Path(path).parent
            folder.mkdir(parents=True, exist_ok=True)
            temporary.remove_abandoned(folder, _WRITING)
            with temporary.file(folder, _WRITING) as (descriptor, written):
                with os.fdopen(os.dup(descriptor), "wb") as stream:
                    stream.write(content)
                os.fsync(descriptor)
                os.replace(written, path)
            _sync(folder)

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        with _answering("read"):
            content = self._files.cat_file(self._path(name))
        assert isinstance(content, bytes)
        return content

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with _answering("removed"), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name[:2]}/{name}"


@contextlib.contextmanager
def _answering(done: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise StorageUnavailable(f"the photo cannot be {done}: there is no such file any more") from error
    except Exception as error:  # each file system raises what its library does
        raise StorageUnavailable(f"the photo cannot be {done}: {str(error)[:200]}") from error


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
