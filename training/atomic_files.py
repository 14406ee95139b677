"""Files that are either whole or absent: written under a temporary name, flushed, renamed."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from training.errors import DiskError


def write_atomically(file: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Call `write(stream)` and make its output appear as `file`, whole. Raises DiskError; an older file then stays."""
    temporary: str | None = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
        with os.fdopen(descriptor, "wb") as stream:
            write(stream)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, file)
        temporary = None
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as a RuntimeError
        reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        raise DiskError(f"{file} cannot be written ({reason}); free space or give write access, then start the command again") from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_json(file: Path, document: Any) -> None:
    """Write `document` as indented JSON, atomically. Raises DiskError."""
    write_atomically(file, lambda stream: stream.write((json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()))


def need_space(folder: Path, size_bytes: int) -> None:
    """Raise DiskError when the file system of `folder`, which need not exist yet, has less than `size_bytes` free."""
    existing = next(parent for parent in [folder.absolute(), *folder.absolute().parents] if parent.exists())
    free = shutil.disk_usage(existing).free
    if free < size_bytes:
        raise DiskError(f"{folder} needs {size_bytes / 1e6:.0f} MB, {free / 1e6:.0f} MB are free; free space or choose another folder")
