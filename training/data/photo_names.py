"""Which photo of a folder a file with outlines means: programs write its name, a part of its path, or the path on another machine."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.data.images import photos_beside_masks
from training.data.masks import same_name
from training.data.outlines import OutlinedPhoto
from training.errors import DataError


@dataclass(frozen=True)
class MatchedPhotos:
    """What of some outlines is of which photo."""

    photos: dict[Path, OutlinedPhoto]
    absent: list[OutlinedPhoto]  # photos that are not in the folder


class PhotoNames:
    """The photos of a folder and of all folders in it, by their names."""

    def __init__(self, folder: Path) -> None:
        """Raises DataError for what cannot be listed."""
        self.folder, self.files = folder, photos_beside_masks(folder)
        self._by_stem: dict[str, list[Path]] = {}
        for file in self.files:
            self._by_stem.setdefault(same_name(file.stem), []).append(file)

    def of_stem(self, file: Path) -> list[Path]:
        """The photos whose names are that of a file but for the suffix."""
        return self._by_stem.get(same_name(file.stem), [])

    def match(self, found: Iterable[OutlinedPhoto]) -> MatchedPhotos:
        """Which photos are meant: by their names, and of two of one name the one whose folders are more alike.

        Where several files say something of one photo, the one with outlines counts. Raises DataError where two have some, or where it
        is not clear which photo is meant.
        """
        best: dict[Path, tuple[int, list[OutlinedPhoto]]] = {}
        absent = []
        for one in found:
            photo, alike = self._find(one)
            before, those = best.get(photo, (0, [])) if photo is not None else (1, [])
            if photo is None or alike < before:
                absent.append(one)
            elif alike == before:
                those.append(one)
            else:
                absent += those
                best[photo] = alike, [one]
        return MatchedPhotos({photo: _one_of(photo, those) for photo, (_, those) in best.items()}, absent)

    def _find(self, one: OutlinedPhoto) -> tuple[Path | None, int]:
        """The photo, and how many parts of its path are the same, from its name on."""
        wanted = _parts(one.path)
        found = [(_alike(_parts(os.path.abspath(photo)), wanted), photo) for photo in self.of_stem(Path(one.name))]
        most = max((alike for alike, _ in found), default=0)
        if not most:
            return None, 0
        those = [photo for alike, photo in found if alike == most]
        if len(those) > 1:
            named = " or ".join(map(str, those))
            raise DataError(f"{one.source}: {one.name!r} may be {named}; give one of them another name, and annotate it by that")
        return those[0], most


def _one_of(photo: Path, those: list[OutlinedPhoto]) -> OutlinedPhoto:
    outlined = [one for one in those if one.outlines]
    if len(outlined) > 1:
        sources = " and ".join(dict.fromkeys(str(one.source) for one in outlined))
        raise DataError(f"{sources}: {len(outlined)} times there are outlines of {photo}; leave one file for each photo, each name once")
    return (outlined or those)[0]


def _parts(path: str) -> list[str]:
    """The parts of a path of any system, the last one first."""
    return [same_name(part) for part in reversed(os.path.normpath(path.replace("\\", "/")).split("/"))]


def _alike(one: list[str], other: list[str]) -> int:
    """How many parts are the same before the first that is not."""
    return next((number for number, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
