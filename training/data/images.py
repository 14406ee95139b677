"""Images from a folder per species: found, checked, decoded once, kept as one uint8 tensor on disk."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from models_store import pixels
from training.atomic_files import need_space
from training.errors import DataError, DiskError

SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif"])
_CACHE_RULE = "central-square-bilinear-srgb-2"  # changes when pixels.decode gives other pixels for the same file


@dataclass(frozen=True)
class Folder:
    """What a data folder holds, before anything is decoded. `files` are relative to `root`, sorted."""

    root: Path
    species: list[str]
    files: list[str]
    labels: list[int]

    def counts(self) -> dict[str, int]:
        """Species → number of images."""
        return dict(zip(self.species, np.bincount(self.labels, minlength=len(self.species)).tolist(), strict=True))


@dataclass(frozen=True)
class Images:
    """A decoded data folder."""

    species: list[str]
    files: list[str]  # species/name, [N]
    pixels: Tensor  # uint8 [N,3,150,150]
    labels: Tensor  # int64 [N]
    digests: list[str]  # SHA-256 of each file, [N]


def scan(root: Path, least: int = 2) -> Folder:
    """Find `root/<species>/<image>`. Raises DataError for no folder, no images, or fewer than `least` species."""
    try:
        folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))
        images = {folder.name: _images_in(folder) for folder in folders}
    except FileNotFoundError:
        raise DataError(f"{root} does not exist; give a folder that holds one folder of images for each species") from None
    except OSError as error:
        raise DataError(f"{error.filename} cannot be listed ({error.strerror})") from None
    if not any(images.values()):
        raise DataError(f"{root} holds no images; it needs one folder for each species with images ({', '.join(sorted(SUFFIXES))}) in it")
    if empty := [name for name, found in images.items() if not found]:
        raise DataError(f"{root / empty[0]} holds no images; add some, or remove the folder")
    if len(images) < least:
        raise DataError(f"{root} holds one species, {folders[0].name}; telling species apart takes at least two folders")
    files = [f"{name}/{image}" for name, found in images.items() for image in found]
    labels = [label for label, found in enumerate(images.values()) for _ in found]
    return Folder(root, list(images), files, labels)


def load(root: Path, cache: Path | None = None, least: int = 2) -> Images:
    """Decode all images of a data folder with at least that many species, or take them from the cache when no file has changed since.

    Raises DataError naming the file that cannot be read or that stands under two species, DiskError.
    """
    folder = scan(root, least)
    kept = (cache or default_cache()) / _state_digest(folder)
    if not (kept / "index.json").is_file():
        _decode_into(folder, kept)
    index = json.loads((kept / "index.json").read_text())
    decoded = torch.from_numpy(np.load(kept / "pixels.npy"))  # uint8 [N,3,150,150]
    images = Images(folder.species, folder.files, decoded, torch.tensor(folder.labels), index["digests"])
    _refuse_contradictions(images)
    return images


def default_cache() -> Path:
    """Where decoded images are kept: `$XDG_CACHE_HOME/seedlings`, or `~/.cache/seedlings`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seedlings"


def read(folder: Folder) -> Iterable[tuple[str, np.ndarray | str, str]]:
    """Decode every file in order: (file, uint8 [3,150,150] or what is wrong with it, SHA-256)."""

    def one(file: str) -> tuple[str, np.ndarray | str, str]:
        try:
            content = (folder.root / file).read_bytes()
        except OSError as error:
            return file, f"cannot be read ({error.strerror})", ""
        digest = hashlib.sha256(content).hexdigest()
        try:
            return file, pixels.decode(content), digest
        except pixels.PixelsError as error:
            return file, str(error), digest

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # Pillow decodes outside the interpreter's lock
        yield from tqdm(threads.map(one, folder.files), "decoding", len(folder.files), leave=False, disable=None)


def _images_in(folder: Path) -> list[str]:
    return sorted(
        entry.name for entry in folder.iterdir() if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".") and entry.is_file()
    )


def _state_digest(folder: Folder) -> str:
    state = hashlib.sha256(_CACHE_RULE.encode())
    for file in folder.files:
        status = (folder.root / file).stat()
        state.update(f"{folder.root.absolute()}/{file}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return state.hexdigest()[:32]


def _decode_into(folder: Folder, kept: Path) -> None:
    shape = (len(folder.files), 3, pixels.SIZE, pixels.SIZE)
    need_space(kept.parent, int(np.prod(shape)))
    temporary: Path | None = None
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".decoding-", dir=kept.parent))
        array = np.lib.format.open_memmap(temporary / "pixels.npy", "w+", np.uint8, shape)
        digests, broken = [], []
        for row, (file, decoded, digest) in enumerate(read(folder)):
            digests.append(digest)
            if isinstance(decoded, str):
                broken.append(f"{folder.root / file}: {decoded}")
            else:
                array[row] = decoded
        if broken:
            more = f" (and {len(broken) - 1} more; list them with 'python -m training data check')" if len(broken) > 1 else ""
            raise DataError(f"{broken[0]}; replace the file or remove it{more}")
        array.flush()
        (temporary / "index.json").write_text(json.dumps({"digests": digests}))
        try:
            temporary.rename(kept)
        except OSError:
            if not (kept / "index.json").is_file():  # else another process decoded the same folder meanwhile
                raise
    except OSError as error:
        raise DiskError(f"{kept} cannot be written ({error.strerror}); free space or choose another folder with --cache") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _refuse_contradictions(images: Images) -> None:
    seen: dict[str, int] = {}
    for row, digest in enumerate(images.digests):
        first = seen.setdefault(digest, row)
        if images.labels[first] != images.labels[row]:
            raise DataError(f"{images.files[first]} and {images.files[row]} are the same image under two species; remove one")
