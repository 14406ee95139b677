"""A lock: one process at a time writes a run folder, or the file of a training that is counted in steps.

Two would overwrite each other's checkpoints. The locks (flock) end with their process, however that ends. On a file system without locks
nothing is locked.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from training.errors import DiskError, RunError


@contextlib.contextmanager
def of_run(run: Path) -> Iterator[None]:
    """The lock is on the folder itself. A missing one is made, and an empty one removed in the end.

    Raises RunError where another process holds it, DiskError.
    """
    if run.exists() and not run.is_dir():
        raise RunError(f"{run} is a file; give a folder with --run")
    with _disk_errors(run):
        run.mkdir(parents=True, exist_ok=True)
        folder = os.open(run, os.O_RDONLY)
    try:
        _lock(folder, f"another process is training into {run}; wait for it, end it, or give another folder with --run")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # it stays unless it is empty, as where the recipe was refused
                run.rmdir()
    finally:
        os.close(folder)


@contextlib.contextmanager
def of_file(out: Path) -> Iterator[None]:
    """The lock is on an empty file beside `out`, which is removed in the end. A missing folder is made.

    Raises RunError where another process holds it, DiskError.
    """
    beside = out.with_name(f".{out.name}.lock")
    with _disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with _disk_errors(out):
            locked = os.open(beside, os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            _lock(locked, f"another process is writing {out}; wait for it, end it, or give another file with --out")
            if not _is_still(beside, locked):  # whoever held it has removed it meanwhile, and a third may have made it anew
                continue
            try:
                yield
            finally:
                beside.unlink(missing_ok=True)
            return
        finally:
            os.close(locked)


def _lock(descriptor: int, held: str) -> None:
    """Raises RunError, which says `held`, where another process has it."""
    with contextlib.suppress(OSError):  # there are file systems without locks
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(held) from None


def _is_still(file: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _disk_errors(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DiskError(f"{place} cannot be made or opened: {error.strerror}") from None
