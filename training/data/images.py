"""Images from a folder per species: found, checked, decoded once, kept as one uint8 tensor on disk."""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from models_store import image_files, learnt, pixels
from training.data import decoded_cache, masks
from training.errors import DataError


@dataclass(frozen=True)
class Folder:
    """What a data folder holds, before anything is decoded. `files` are relative to `root`, sorted."""

    root: Path
    species: list[str]
    files: list[str]
    labels: list[int]
    problems: list[str]  # what must be mended before anything is learnt from it
    others: Counter[str]  # suffix → number of files that are no images by their name

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

    @cached_property
    def records(self) -> learnt.Records:
        """What is kept of each image where weights have learnt from it, [N,2]."""
        return learnt.records(self.digests, self.pixels.numpy())

    def only(self, rows: list[int]) -> "Images":
        """Some of the images."""
        files, digests = ([those[row] for row in rows] for those in (self.files, self.digests))
        return Images(self.species, files, self.pixels[rows], self.labels[rows], digests)


@dataclass(frozen=True)
class ReadFile:
    """One file of a data folder, as far as it could be read."""

    file: str
    pixels: NDArray[np.uint8] | None  # [3,150,150]
    problem: str  # empty where there are pixels
    digest: str  # SHA-256 of the file
    size: tuple[int, int] | None  # width and height of the image


def scan(root: Path, least: int = 2) -> Folder:
    """Find `root/<species>/…/<image>`, in folders of any depth. Raises DataError for no folder and for no images.

    Fewer than `least` species are a problem of the folder.
    """
    try:
        folders = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not image_files.is_left_behind(entry.name))
        walked = image_files.find(root)
    except FileNotFoundError:
        raise DataError(f"{root} does not exist; give a folder that holds one folder of images for each species") from None
    except OSError as error:
        raise DataError(f"{error.filename} cannot be listed ({error.strerror})") from None
    found = [file.relative_to(root) for file in walked.files]
    if not found:
        raise DataError(f"{root} holds no images; it needs one folder for each species with images ({image_files.NAMED}) in it")
    loose = [file for file in found if len(file.parts) == 1]
    unnamed = [file for file in found if not _plain(file)]
    kept = sorted((file for file in found if len(file.parts) > 1 and _plain(file)), key=lambda file: (file.parts[0], file.as_posix()))
    species = sorted({file.parts[0] for file in kept})
    problems = [f"{image_files.printable(path)} {reason}; mend or remove it" for path, reason in walked.problems.items()]
    empty = [name for name in folders if name not in species and _plain(name) and root / name not in walked.problems]
    problems += [f"{root / name} holds no images; add some, or remove the folder" for name in empty]
    problems += [f"{root / file} lies outside of every species' folder; move it into one, or remove it" for file in loose if _plain(file)]
    problems += [f"{root}/{image_files.printable(file)} has a name that is not UTF-8 or steers terminals; rename it" for file in unnamed]
    problems += [f"{root}: {' and '.join(names)} are one name to people; keep one of these folders" for names in _alike(folders)]
    if masks.FOLDER in species:
        problems.append(
            f"{root / masks.FOLDER} holds masks, no species; name a folder with photos of single plants, a folder for each species"
        )
    if len(folders) < least and folders:
        problems.append(f"{root} holds one species, {image_files.printable(folders[0])}; telling species apart takes at least two folders")
    return Folder(
        root, species, [file.as_posix() for file in kept], [species.index(file.parts[0]) for file in kept], problems, walked.others
    )


def load(root: Path, cache: Path | None = None, least: int = 2) -> Images:
    """Decode all images of a data folder with at least that many species, or take them from the cache when no file has changed since.

    Raises DataError naming what is wrong with the folder, the file that cannot be read or that stands under two species, DiskError.
    """
    folder = scan(root, least)
    if folder.problems:
        raise DataError(folder.problems[0] + _more(len(folder.problems)))
    kept = decoded_cache.load(cache or decoded_cache.default_cache(), root, folder.files, lambda array: _decode(folder, array))
    images = Images(folder.species, folder.files, torch.from_numpy(kept.pixels), torch.tensor(folder.labels), kept.digests)
    _refuse_contradictions(images)
    return images


def photos_beside_masks(folder: Path) -> list[Path]:
    """The images in a folder, but for those in folders `masks`; none where there is no such folder. Raises DataError."""
    if not folder.is_dir():
        return []
    try:
        found = image_files.find(folder)
    except OSError as error:
        raise DataError(f"{error.filename} cannot be listed ({error.strerror})") from None
    for path, reason in found.problems.items():
        raise DataError(f"{image_files.printable(path)} {reason}; mend or remove it")
    return [file for file in found.files if masks.FOLDER not in file.relative_to(folder).parts]


def read(folder: Folder) -> Iterable[ReadFile]:
    """Decode every file in order."""

    def one(file: str) -> ReadFile:
        try:
            content = (folder.root / file).read_bytes()
        except OSError as error:
            return ReadFile(file, None, f"cannot be read ({error.strerror})", "", None)
        digest = hashlib.sha256(content).hexdigest()
        try:
            with pixels.opened(content) as picture:
                return ReadFile(file, picture.square(pixels.SIZE).pixels, "", digest, (picture.width, picture.height))
        except pixels.PixelsError as error:
            return ReadFile(file, None, str(error), digest, None)

    with ThreadPoolExecutor(os.cpu_count()) as threads:  # Pillow decodes outside the interpreter's lock
        yield from tqdm(threads.map(one, folder.files), "decoding", len(folder.files), leave=False, disable=None)


def _alike(folders: list[str]) -> list[list[str]]:
    """Names that differ in capitals, spaces or the composing of accents alone, as when a folder came from another system."""
    groups: dict[str, list[str]] = {}
    for name in folders:
        groups.setdefault(" ".join(unicodedata.normalize("NFKC", name).casefold().split()), []).append(repr(name))
    return [names for names in groups.values() if len(names) > 1]


def _plain(name: Path | str) -> bool:
    return image_files.printable(name) == os.fspath(name)


def _more(problems: int) -> str:
    return f" (and {problems - 1} more; list them with 'python -m training data check')" if problems > 1 else ""


def _decode(folder: Folder, array: NDArray[np.uint8]) -> list[str]:
    """Fill uint8 [N,3,150,150] with the folder's images; returns the files' SHA-256. Raises DataError."""
    digests, broken = [], []
    for row, found in enumerate(read(folder)):
        digests.append(found.digest)
        if found.pixels is None:
            broken.append(f"{folder.root / found.file}: {found.problem}")
        else:
            array[row] = found.pixels
    if broken:
        raise DataError(f"{broken[0]}; replace the file or remove it{_more(len(broken))}")
    return digests


def _refuse_contradictions(images: Images) -> None:
    seen: dict[str, int] = {}
    for row, digest in enumerate(images.digests):
        first = seen.setdefault(digest, row)
        if images.labels[first] != images.labels[row]:
            raise DataError(f"{images.files[first]} and {images.files[row]} are the same image under two species; remove one")
