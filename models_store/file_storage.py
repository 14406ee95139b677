"""File storage: a folder of whole files, on this machine or in an object store, by an fsspec URL."""

import contextlib
import os
from pathlib import Path

from fsspec.asyn import AsyncFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from models_store import temporary

_WRITING = ".writing-"  # what the name of a file begins with until it is whole


class UnknownFileSystem(ValueError):
    """No installed file system reads the URL."""


class FileStorage:
    """Files by name; a name may have folders in it. Each method raises what the file system raises, FileNotFoundError among it."""

    def __init__(self, url: str, mode: int = 0o600, timeout_s: float | None = None) -> None:
        """`mode` is that of files on this machine: at first the writer alone reads them. Raises UnknownFileSystem.

        `timeout_s` is how long an object store is waited for, for one file; then TimeoutError. By itself it is tried for minutes.
        """
        self._mode = mode
        try:
            self._files, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise UnknownFileSystem(str(error)) from None
        self._root = str(root).rstrip("/")
        self._local = isinstance(self._files, LocalFileSystem)
        self._within = {"timeout": timeout_s} if isinstance(self._files, AsyncFileSystem) else {}  # others know no such argument
        self._tidied = set[Path]()  # folders that were written into: to look through a large one for every file would take ever longer

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file, or none. It may be there already."""
        path = self._path(name)
        if not self._local:
            self._files.pipe_file(path, content, **self._within)  # object stores show a file once it is whole
            return
        folder = Path(path).parent
        folder.mkdir(parents=True, exist_ok=True)
        if folder not in self._tidied:
            temporary.remove_abandoned(folder, _WRITING)
            self._tidied.add(folder)
        with temporary.file(folder, _WRITING) as (descriptor, written):
            with os.fdopen(os.dup(descriptor), "wb") as stream:
                stream.write(content)
            os.fchmod(descriptor, self._mode)
            os.fsync(descriptor)
            os.replace(written, path)
        temporary.flush_folder(folder)

    def read(self, name: str) -> bytes:
        """The bytes of a file."""
        content = self._files.cat_file(self._path(name), **self._within)
        assert isinstance(content, bytes)
        return content

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name), **self._within)

    def remove_abandoned(self) -> None:
        """Remove what killed writers left in it and in its folders. What cannot be removed stays."""
        if not self._local:
            return  # object stores show a file once it is whole
        with contextlib.suppress(OSError):
            folders = [Path(entry) for entry in os.scandir(self._root) if entry.is_dir(follow_symlinks=False)]
            for folder in (Path(self._root), *folders):
                temporary.remove_abandoned(folder, _WRITING)

    def names(self) -> list[str]:
        """The names of the files and folders in it, those being written left out; none where it does not exist."""
        self._files.invalidate_cache(self._root)
        try:
            paths = self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return []
        names = (str(path).rstrip("/").rpartition("/")[2] for path in paths)
        return sorted(name for name in names if name and not name.startswith(_WRITING))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"
