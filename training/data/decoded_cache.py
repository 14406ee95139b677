"""Decoded images of data folders, kept so that each folder is decoded once: `<cache>/<digest of the folder's state>/`.

pixels.npy   uint8 [N,3,150,150]
index.json   SHA-256 of each file, and which folder it was; its time of change is that of the last use

An earlier state of a folder goes when a newer one is decoded, and what was not used for 30 days with the next use of the cache.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models_store import pixels, temporary
from training.atomic_files import disk_errors, need_space

_RULE = "central-square-bilinear-srgb-4"  # changes when pixels.decode gives other pixels for the same file
_PIXELS, _INDEX = "pixels.npy", "index.json"
_STATE = re.compile(r"[0-9a-f]{32}")
_DECODING, _REMOVING = ".decoding-", ".removing-"
UNUSED_S = 30 * 24 * 3600.0


@dataclass(frozen=True)
class DecodedImages:
    """What is kept of a data folder."""

    pixels: NDArray[np.uint8]  # [N,3,150,150]
    digests: list[str]  # SHA-256 of each file, [N]


def default_cache() -> Path:
    """`$XDG_CACHE_HOME/seedlings`, or `~/.cache/seedlings`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seedlings"


def load(cache: Path, root: Path, files: Sequence[str], decode: Callable[[NDArray[np.uint8]], list[str]]) -> DecodedImages:
    """What is kept of `files`, relative to `root`, as they are now; where nothing is, `decode` is called.

    `decode` fills an array uint8 [N,3,150,150] and returns the files' SHA-256. Raises what it raises, and DiskError.
    """
    kept = cache / _state(root, files)
    for prefix in (_DECODING, _REMOVING):
        temporary.remove_abandoned(cache, prefix)
    found = _read(kept)
    while found is None:
        _decode_into(kept, root, len(files), decode)
        _remove(cache, [entry for entry in _entries(cache) if entry != kept and _root(entry) == str(root.absolute())])
        found = _read(kept)
    with contextlib.suppress(OSError):  # a cache that may only be read
        os.utime(kept / _INDEX)
    _remove(cache, [entry for entry in _entries(cache) if time.time() - _used(entry) > UNUSED_S])
    return found


def _state(root: Path, files: Sequence[str]) -> str:
    state = hashlib.sha256(_RULE.encode())
    for file in files:
        status = (root / file).stat()
        state.update(f"{root.absolute()}/{file}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return state.hexdigest()[:32]


def _read(kept: Path) -> DecodedImages | None:
    try:
        digests = json.loads((kept / _INDEX).read_text())["digests"]
        return DecodedImages(np.load(kept / _PIXELS), digests)
    except FileNotFoundError:  # not there, or another process has just removed it
        return None


def _decode_into(kept: Path, root: Path, n: int, decode: Callable[[NDArray[np.uint8]], list[str]]) -> None:
    shape = (n, 3, pixels.SIZE, pixels.SIZE)
    need_space(kept.parent, int(np.prod(shape)))
    with disk_errors(kept):
        kept.parent.mkdir(parents=True, exist_ok=True)
        with temporary.folder(kept.parent, _DECODING) as made:
            array = np.lib.format.open_memmap(made / _PIXELS, "w+", np.uint8, shape)
            _reserve(made / _PIXELS)
            digests = decode(array)
            array.flush()
            (made / _INDEX).write_text(json.dumps({"digests": digests, "root": str(root.absolute())}))
            try:
                made.rename(kept)
            except OSError:
                if not (kept / _INDEX).is_file():  # else another process decoded the same folder meanwhile
                    raise


def _reserve(file: Path) -> None:
    """Take the file's space on the disk: where a mapped page finds none, the system kills the process."""
    with file.open("r+b") as stream:
        os.posix_fallocate(stream.fileno(), 0, file.stat().st_size)


def _entries(cache: Path) -> list[Path]:
    """What was kept here, and nothing else that lies in the folder."""
    return [entry for entry in cache.iterdir() if _STATE.fullmatch(entry.name) and (entry / _INDEX).is_file()]


def _root(entry: Path) -> str | None:
    """Which folder was decoded; None where it cannot be told, as of release 0.1."""
    try:
        root: str | None = json.loads((entry / _INDEX).read_text()).get("root")
    except (OSError, ValueError):
        return None
    return root


def _used(entry: Path) -> float:
    try:
        return (entry / _INDEX).stat().st_mtime
    except OSError:  # gone meanwhile
        return time.time()


def _remove(cache: Path, entries: list[Path]) -> None:
    """Take entries away in one step each, so that another process finds one whole or not at all. What cannot be removed stays."""
    for entry in entries:
        with contextlib.suppress(OSError), temporary.folder(cache, _REMOVING) as bin_:
            entry.rename(bin_ / entry.name)
