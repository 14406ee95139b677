"""The photo files: in a folder or an object store, by an fsspec URL. A file is named by the SHA-256 of its content."""

import contextlib
from collections.abc import Iterator

from corrections.errors import InvalidText, PhotoLost, StorageUnavailable
from models_store.file_storage import FileStorage, UnknownFileSystem


def place_of(database: str, photos: str | None) -> str | None:
    """Where the photos of a database are: as `photos` says, or beside the file of SQLite. None where that is not to be told."""
    beside = database.removeprefix("sqlite:///")
    return photos or (f"{beside}-photos" if beside != database else None)


class PhotoFiles:
    """Files by name. What fails is StorageUnavailable."""

    def __init__(self, url: str, wait_s: float = 30.0) -> None:
        """`wait_s` is how long an object store is waited for. The database's locks are held meanwhile, a minute at most.

        Raises InvalidText for a URL that no installed file system reads.
        """
        try:
            self._place = FileStorage(url, timeout_s=wait_s)
        except UnknownFileSystem as error:
            raise InvalidText(f"photos cannot be kept at {url.partition('://')[0]}://…: {error}") from None

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file, or none. It may be there already."""
        with _answering("written"):
            self._place.write(_path(name), content)

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        with _answering("read"):
            return self._place.read(_path(name))

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with _answering("removed"):
            self._place.remove(_path(name))

    def remove_abandoned(self) -> None:
        """Remove what killed writers left: parts of photos that nobody knows of."""
        self._place.remove_abandoned()


def _path(name: str) -> str:
    return f"{name[:2]}/{name}"


@contextlib.contextmanager
def _answering(done: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if done == "written":
            raise StorageUnavailable("the photo cannot be written: there is no such folder or bucket; make it") from error
        raise PhotoLost(f"the photo cannot be {done}: there is no such file any more") from error
    except Exception as error:  # each file system raises what its library does
        silent = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
        reason = (isinstance(error, OSError) and error.strerror) or str(error) or silent
        raise StorageUnavailable(f"the photo cannot be {done}", str(reason)[:200]) from error
