"""Files that are either whole or absent: written under a temporary name, flushed, renamed."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from models_store import temporary
from training.errors import DiskError


def write_atomically(file: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call `write(stream)` and make its output appear as `file`, whole. Raises DiskError; an older file then stays."""
    with disk_errors(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(file)
        with temporary.file(file.parent, _prefix(file)) as (descriptor, path):
            with os.fdopen(descriptor, "wb", closefd=False) as stream:
                write(stream)
                stream.flush()
                os.fsync(descriptor)
            os.chmod(path, 0o644)
            os.replace(path, file)


def remove_leftovers(file: Path) -> None:
    """Remove what writers of `file` left that were killed."""
    temporary.remove_abandoned(file.parent, _prefix(file))


def write_json(file: Path, document: Any) -> None:
    """Write `document` as indented JSON, atomically. Raises DiskError."""
    write_atomically(file, lambda stream: stream.write((json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()))


@contextmanager
def disk_errors(file: Path) -> Iterator[None]:
    """Raise DiskError, which says what to do, in place of the error of a disk that is full or refuses."""
    try:
        yield
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as a RuntimeError
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise DiskError(f"{file} cannot be written ({reason}); free space or give write access, then start the command again") from error


def need_space(folder: Path, size_bytes: int) -> None:
    """Raise DiskError when the file system of `folder`, which need not exist yet, has less than `size_bytes` free."""
    existing = next(parent for parent in [folder.absolute(), *folder.absolute().parents] if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < size_bytes:
        raise DiskError(f"{folder} needs {size_bytes / 1e6:.0f} MB, {free / 1e6:.0f} MB are free; free space or choose another folder")


def _prefix(file: Path) -> str:
    return f".{file.name}-"
