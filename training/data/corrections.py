"""Corrections as folders of images: to learn from, to measure on, and what is no plant."""

import contextlib
import hashlib
import io
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from corrections.database import Database
from corrections.errors import CorrectionNotFound, CorrectionsError, PhotoLost
from corrections.photos import PhotoFiles, place_of
from corrections.records import Box, State, StoredCorrection
from corrections.store import CorrectionStore, Quota
from corrections.texts import NOT_A_PLANT, plain
from models_store import pixels, temporary
from models_store.errors import PixelsError
from models_store.pixels import Crop, Picture
from training.errors import DataError

LEARN, HELD_OUT, NO_PLANTS = "learn", "held-out", "not-a-plant"
_HELD_OUT_SHARE = 0.2
_EVERY = 3  # photo of a species is held out, where plants and days cannot tell
_AT_ONCE = 500
_NO_LIMITS = Quota(max_rows=1, max_bytes=1)  # nothing is added here


@dataclass
class WrittenCounts:
    """How many images were written where."""

    learn: int = 0
    held_out: int = 0
    no_plants: int = 0
    species: list[str] = field(default_factory=list)
    alike: bool = False  # held out by single photos: of the same days, or plants, as those to learn from
    answered_by: Counter[str] = field(default_factory=Counter)  # model, without its version → corrections of what it answered
    groups: dict[str, str] = field(default_factory=dict)  # of each file in `learn`: photos of one group may show the same plant
    one_sided: list[str] = field(default_factory=list)  # species of which no photo is held out
    not_learnt: list[str] = field(default_factory=list)  # species of which all photos are held out

    def mostly_answered_by(self) -> str | None:
        """The model whose answers more than half of them correct; None where there is none."""
        for name, corrected in self.answered_by.most_common(1):
            if 2 * corrected > self.answered_by.total():
                return name
        return None

    def text(self) -> str:
        """What was written, and what there is to know of it."""
        said = (
            f"{self.learn} images to learn from and {self.held_out} held out, of {len(self.species)} species, and {self.no_plants}"
            " that show no plant"
        )
        if self.one_sided and self.held_out:
            said += (
                f". None is held out of {', '.join(self.one_sided)}: so no figure tells how well that is learnt, until there are photos of"
                " more plants or days"
            )
        if self.not_learnt and self.learn:
            said += (
                f". Nothing is learnt of {', '.join(self.not_learnt)}: all photos are of plants or days that are held out; correct"
                " photos of more plants or days"
            )
        if self.alike:
            said += (
                ". All are of one day or plant, or of days and plants on one side, so single photos are held out: they may show what"
                " is learnt from. Corrections that name the plant, or of more days, are better to measure on"
            )
        return said


def write(
    database: str, photos: str | None, out: Path, states: tuple[State, ...] = ("accepted",), known: Collection[str] = ()
) -> WrittenCounts:
    """Write corrections to a new folder: `learn` and `held-out` with a folder for each species, and `not-a-plant`.

    All photos of a plant, and where it is not named all photos of a day, are on the same side, whatever comes later. Where this leaves
    a side empty, every third photo of a species is held out. Of several corrections of the same part of a photo the last one
    counts. A species has the spelling of `known`, or else the one that came first. Without `photos` they are where the service keeps them
    for this database. The folder is whole or not there.
    Raises DataError.
    """
    if out.exists():
        raise DataError(f"{out} is there already; name a new folder")
    written = WrittenCounts()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        prefix = f".{out.name}-"
        temporary.remove_abandoned(out.parent, prefix)
        with _opened(database, photos) as corrections, temporary.folder(out.parent, prefix) as folder:
            names = {plain(name): name for name in (*known, NOT_A_PLANT)}
            sides: dict[str, set[str]] = {}
            last = _last_of_each(corrections, states)
            held_out, written.alike = _held_out(last)
            groups = {kept.sha256: kept.sha256 for kept in last} if written.alike else _groups(last)
            for kept in last:
                assert kept.species is not None
                species = names.setdefault(plain(kept.species), kept.species)
                side = NO_PLANTS if species == NOT_A_PLANT else HELD_OUT if kept.sha256 in held_out else LEARN
                content, suffix = _photo(corrections, kept)
                place = folder / side / ("" if side == NO_PLANTS else species)
                place.mkdir(parents=True, exist_ok=True)
                file = place / f"{kept.sha256[:16]}-{kept.id[:8]}{suffix}"
                file.write_bytes(content)
                if side == LEARN:
                    written.groups[str(file.relative_to(folder / LEARN))] = groups[kept.sha256]
                sides.setdefault(species, set()).add(side)
                written.answered_by[kept.said.model.partition("/")[0]] += 1
                written.learn += side == LEARN
                written.held_out += side == HELD_OUT
                written.no_plants += side == NO_PLANTS
            written.species = sorted(sides.keys() - {NOT_A_PLANT})
            written.one_sided, written.not_learnt = (
                sorted(species for species, found in sides.items() if found == {side}) for side in (LEARN, HELD_OUT)
            )
            folder.chmod(0o755)
            folder.rename(out)
    except CorrectionNotFound:
        raise DataError("a correction was removed while all were being read; start the command again") from None
    except CorrectionsError as error:
        raise DataError(str(error)) from error
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error}") from error
    return written


def is_held_out(kept: StoredCorrection) -> bool:
    """Whether a photo is to be measured on, not learnt from: by its plant, or its day. A fifth of these are."""
    return int.from_bytes(hashlib.sha256(_group(kept).encode()).digest()[:8]) < _HELD_OUT_SHARE * 2**64


def in_folds(labels: list[int], groups: list[str], most: int) -> list[list[int]]:
    """Rows in folds, at most so many, with about as many rows of each label in each; all rows of a group are in one fold.

    Rows whose label one group alone shows are in none: without them nothing would be known of it. Fewer than two folds are none.
    """
    rows: dict[str, list[int]] = {}
    showing: dict[int, set[str]] = {}
    for row, (label, group) in enumerate(zip(labels, groups, strict=True)):
        rows.setdefault(group, []).append(row)
        showing.setdefault(label, set()).add(group)
    divided = [group for group, own in rows.items() if all(len(showing[labels[row]]) > 1 for row in own)]
    divided.sort(key=lambda group: (-len(rows[group]), hashlib.sha256(group.encode()).digest()))
    folds: list[list[int]] = [[] for _ in range(min(most, len(divided)))]
    for group in divided:
        wanted = {labels[row] for row in rows[group]}
        min(folds, key=lambda fold: (sum(labels[row] in wanted for row in fold), len(fold))).extend(rows[group])
    return folds if len(folds) > 1 else []


def _group(kept: StoredCorrection) -> str:
    """Photos of one plant, or of one day where the plant is not named."""
    return f"plant {kept.plant.casefold()}" if kept.plant else f"day {kept.taken.isoformat()}"


def _groups(corrections: list[StoredCorrection]) -> dict[str, str]:
    """Of each photo, by its SHA-256, its group. Groups that one photo shows, such as two plants, are one."""
    joined: dict[str, str] = {}

    def first(group: str) -> str:
        while (other := joined.setdefault(group, group)) != group:
            group = other
        return group

    for kept in corrections:
        joined[first(_group(kept))] = first(f"photo {kept.sha256}")
    return {kept.sha256: first(f"photo {kept.sha256}") for kept in corrections}


def _held_out(corrections: list[StoredCorrection]) -> tuple[set[str], bool]:
    """The photos to be measured on, by their SHA-256, and whether these had to be chosen one by one."""
    shown = [kept for kept in corrections if kept.species != NOT_A_PLANT]
    photos = {kept.sha256 for kept in shown}
    held_out = {kept.sha256 for kept in shown if is_held_out(kept)}
    if 0 < len(held_out) < len(photos) or len(photos) < _EVERY:
        return held_out, False
    ordered = sorted({kept.sha256: ((kept.species or "").casefold(), kept.sha256) for kept in shown}.items(), key=lambda one: one[1])
    return {sha256 for sha256, _ in ordered[::_EVERY]}, True


@contextlib.contextmanager
def _opened(database: str, photos: str | None) -> Iterator[CorrectionStore]:
    place = place_of(database, photos)
    if place is None:
        raise DataError("say where the photos are: --photos URL, as SEEDLINGS_PHOTOS of the service")
    opened = Database(database)
    if opened.file is not None and not opened.file.exists():  # SQLite would make an empty one
        raise DataError(f"there is no database {opened.file}; give the URL that SEEDLINGS_DATABASE of the service names")
    corrections = CorrectionStore(opened, PhotoFiles(place), _NO_LIMITS)
    try:
        corrections.open()
        yield corrections
    finally:
        corrections.close()


def _last_of_each(corrections: CorrectionStore, states: tuple[State, ...]) -> list[StoredCorrection]:
    """The correction that counts of each part of each photo, in the order in which they came."""
    last: dict[tuple[str, Box | None], StoredCorrection] = {}
    for state in states:
        after = None
        while page := corrections.waiting(state, after, _AT_ONCE):
            after = page[-1].id
            for kept in page:
                other = last.get((kept.sha256, kept.box))
                if kept.species is not None and (other is None or _rank(kept) > _rank(other)):
                    last[kept.sha256, kept.box] = kept
    return sorted(last.values(), key=lambda kept: (kept.created, kept.id))


def _rank(kept: StoredCorrection) -> tuple[bool, float]:
    """What a reviewer decided counts before what was handed in, and of two the later."""
    return kept.state == "accepted", (kept.reviewed or kept.created).timestamp()


def _photo(corrections: CorrectionStore, kept: StoredCorrection) -> tuple[bytes, str]:
    """The bytes of what is meant of it, and the suffix of the file.

    Raises DataError naming the correction where the photo is lost, damaged or larger than what is read here.
    """
    mend = f"put it back from a backup, or remove the correction by DELETE /corrections/{kept.id}"
    try:
        content, suffix = corrections.photo(kept.id)
    except PhotoLost:
        raise DataError(f"the photo {kept.sha256}{kept.suffix} is not there; if --photos is the right place, {mend}") from None
    if hashlib.sha256(content).hexdigest() != kept.sha256:
        raise DataError(f"the photo {kept.sha256}{kept.suffix} is damaged; {mend}")
    try:
        with pixels.opened(content) as picture:
            return (content, suffix) if kept.box is None else (_cut(picture, kept.box), ".png")
    except PixelsError as error:  # the service takes larger ones where SEEDLINGS_MAX_PIXELS says so
        raise DataError(
            f"the photo {kept.sha256}{kept.suffix} cannot be learnt from: {error}. Remove the correction by DELETE /corrections/{kept.id},"
            " and hand it in anew"
        ) from None


def _cut(picture: Picture, box: Box) -> bytes:
    """The square of a photo that was meant, as a PNG."""
    whole = picture.whole()  # [3, height, width]
    x, y, width, height = (round(value) for value in Crop(*box).square)
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(whole[:, y : y + height, x : x + width].transpose(1, 2, 0))).save(stream, "PNG")
    return stream.getvalue()
