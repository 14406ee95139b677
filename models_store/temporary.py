"""Files and folders under a temporary name. Who comes later can tell them from those that a killed writer left, and removes these.

A writer holds a lock (flock) on what it writes. The system takes the lock away when the writer ends, however it ends.
"""

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_RANDOM = re.compile(r"[a-z0-9_]{8}")  # what `tempfile` puts behind a prefix
_STALE_S = 24 * 3600  # where a file system knows no locks, an entry this old counts as left


@contextmanager
def file(parent: Path, prefix: str) -> Iterator[tuple[int, Path]]:
    """A new file to write to, by its descriptor; removed in the end unless it was renamed. Raises OSError."""
    descriptor, path = _claimed(lambda: tempfile.mkstemp(prefix=prefix, dir=parent))
    try:
        yield descriptor, path
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder; removed in the end, with all that is in it, unless it was renamed. Raises OSError."""

    def made() -> tuple[int, str]:
        while True:
            path = tempfile.mkdtemp(prefix=prefix, dir=parent)
            with contextlib.suppress(FileNotFoundError):  # another process took it for left before it was opened
                return os.open(path, os.O_RDONLY), path

    descriptor, path = _claimed(made)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


@contextmanager
def work_folder(prefix: str) -> Iterator[Path]:
    """A new folder among the system's temporary files, removed in the end. Those that killed processes left go first. Raises OSError."""
    parent = Path(tempfile.gettempdir())
    remove_abandoned(parent, prefix)
    with folder(parent, prefix) as path:
        yield path


def remove_abandoned(parent: Path, prefix: str) -> None:
    """Remove files and folders of this prefix whose writers ended without doing so. What cannot be removed stays."""
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and _RANDOM.fullmatch(entry.name[len(prefix) :]):
                with contextlib.suppress(OSError):
                    _remove_if_abandoned(entry)


def _claimed(make: Callable[[], tuple[int, str]]) -> tuple[int, Path]:
    """What `make` gives, locked. If another process took it for left before it was locked, it is made anew."""
    while True:
        descriptor, path = make()
        with contextlib.suppress(OSError):  # there are file systems without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(path), os.fstat(descriptor)):
                return descriptor, Path(path)
        os.close(descriptor)


def _remove_if_abandoned(entry: os.DirEntry[str]) -> None:
    is_folder = entry.is_dir(follow_symlinks=False)
    descriptor = os.open(entry.path, (os.O_RDONLY if is_folder else os.O_RDWR) | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # its writer lives
            return
        except OSError:
            if time.time() - entry.stat(follow_symlinks=False).st_mtime < _STALE_S:
                return
        if is_folder:
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            os.unlink(entry.path)
    finally:
        os.close(descriptor)


def flush_folder(folder: Path) -> None:
    """Have a folder's names on the disk, such as that of a file that was just renamed. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
