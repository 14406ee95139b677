"""Provenance of weights: the images that they have learnt from, themselves or as the weights that they went on from.

Runs and versions keep it in a file, `models_store.learnt`. Those of release 0.1 do not. Theirs is known where their split is: it is
among the project's own (`data/known_splits`), or the images at hand give it again.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from models_store import pixels, store
from models_store.learnt import FILE, Learnt, Records, records
from models_store.manifest import AnyManifest
from training import data
from training.artifact.store_errors import as_training_errors
from training.data import split
from training.data.images import Images
from training.data.split import Split
from training.errors import DataError, RunError, TrainingError
from training.fitting import imagenet, plant_view_segmenter, run_folder
from training.fitting.run_identity import Identity
from training.recipe import Recipe, SplitRule

_KNOWN_SPLITS = Path(data.__file__).parent / "known_splits"  # <start of the split's digest>.npy


@dataclass(frozen=True)
class Provenance:
    """What weights have learnt from; `unknown` names earlier weights of which nobody knows it."""

    learnt: Learnt
    unknown: tuple[str, ...] = ()

    def __or__(self, other: Self) -> Self:
        """Of weights that come from both."""
        return type(self)(self.learnt | other.learnt, tuple(sorted({*self.unknown, *other.unknown})))


def of_version(folder: Path, images: Images | None = None) -> Provenance:
    """Of a published version; `images` may be those of its training. Raises TrainingError naming the file."""
    with as_training_errors():
        manifest = store.read_manifest(folder)
    training, recipe = manifest.training, manifest.training.recipe
    if (learnt := beside(folder, manifest)) is not None:
        return Provenance(learnt, tuple(training.unknown_origins))
    name = f"{manifest.name}/{manifest.version}"
    rule, seed = recipe.get("split", "report"), int(recipe.get("split_seed", 0))
    return _of_release_0_1(name, training.split_digest, rule, seed, str(recipe.get("start", "")), images)


def beside(folder: Path, manifest: AnyManifest) -> Learnt | None:
    """What the file of a published version says; None where it has none. Raises TrainingError naming the file."""
    with as_training_errors():
        content = store.beside(folder, manifest, FILE)
    return None if content is None else _read(content, folder)


def of_run(folder: Path, identity: Identity, images: Images | None = None) -> Provenance:
    """Of a run; `images` may be those of its training. Raises RunError."""
    file, recipe = folder / FILE, identity.recipe
    if file.exists():
        return Provenance(_read(file.read_bytes(), folder), tuple(identity.unknown_origins))
    return _of_release_0_1(identity.name, identity.split_digest, recipe.split, recipe.split_seed, recipe.start, images)


def of_images(images: Images, rows: Sequence[int]) -> Provenance:
    """Of weights that learn from these images alone."""
    return Provenance(Learnt.nothing() | Learnt(images.records[list(rows)]))


def of_photos(files: Sequence[Path]) -> Provenance:
    """Of weights that learn from parts of these photos. Raises DataError for a file that cannot be read."""
    return Provenance(Learnt.nothing() | Learnt(records_of(files)))


def records_of(files: Sequence[Path]) -> Records:
    """The records of photos, in their order, [N,2]. Raises DataError for a file that cannot be read."""
    digests, squares = [], []
    for file in files:
        try:
            content = file.read_bytes()
            squares.append(pixels.decode(content))
        except (pixels.PixelsError, OSError) as error:
            raise DataError(f"{file}: {error}") from None
        digests.append(hashlib.sha256(content).hexdigest())
    return records(digests, np.stack(squares)) if squares else Learnt.nothing().records


def before(recipe: Recipe, teachers: Sequence[Path], segmenter_file: Path | None, images: Images) -> Provenance:
    """Of all that a run goes on from or learns from. Raises TrainingError."""
    found = _of_start(recipe.start, images)
    for teacher in teachers:
        found |= of_run(teacher, run_folder.read_description(teacher), images)
    if segmenter_file is not None:
        learnt = plant_view_segmenter.learnt(segmenter_file)
        found |= Provenance(Learnt.nothing(), (segmenter_file.name,)) if learnt is None else Provenance(learnt)
    return found


def held_out(images: Images, parts: Split, rule: SplitRule, learnt: Learnt) -> Split:
    """The split without those validation and test images that weights have learnt from, which are left out of all figures.

    An image counts as learnt from, too, where the same photo was in other bytes. By the report's rule photos of one folder that look
    the same are no reason: the report's figures have them, and `data/near_duplicates` measures what they are worth. Raises DataError
    where a part is left empty.
    """
    shown = images.records
    others = learnt if rule == "content" else learnt.without_files(shown[parts.train])
    seen = learnt.holds_file(shown) | others.holds(shown)
    held = parts.without(set(seen.nonzero()[0].tolist()))
    if empty := [name for name in ("validation", "test") if not held.rows(name)]:
        raise DataError(f"all {empty[0]} images are among those that were learnt from, so nothing is left to measure on; add images")
    return held


def split_of(images: Images, identity: Identity, learnt: Learnt) -> Split:
    """The split of a training, of the images of that training. Raises DataError when these are others, or all were learnt from."""
    if identity.all_images:
        raise DataError(
            f"{identity.name} has learnt from all images, those of validation and test too, so nothing is left to measure on; measure it on"
            " other photos with 'evaluate --images DIR'"
        )
    parts = split.of_training(images, identity.recipe, identity.split_digest, identity.fold)
    return held_out(images, parts, identity.recipe.split, learnt)


def _of_start(start: str, images: Images | None) -> Provenance:
    if start in ("", imagenet.START):  # what ImageNet holds is not to be told from here
        return Provenance(Learnt.nothing())
    return of_version(store.named_version(start), images)


def _of_release_0_1(name: str, digest: str, rule: SplitRule, seed: int, start: str, images: Images | None) -> Provenance:
    own = _known_split(digest)
    if own is None and images is not None:
        own = _reproduced(images, lambda: split.of(images, seed, rule), digest)
    found = Provenance(Learnt.nothing(), (name,)) if own is None else Provenance(own)
    try:
        return found | _of_start(start, images)
    except TrainingError:  # it is gone
        return found | Provenance(Learnt.nothing(), (start,))


def _known_split(digest: str) -> Learnt | None:
    file = _KNOWN_SPLITS / f"{digest[:16]}.npy"
    return Learnt.read(file.read_bytes()) if re.fullmatch("[0-9a-f]{64}", digest) and file.is_file() else None


def _reproduced(images: Images, make: Callable[[], Split], digest: str) -> Learnt | None:
    try:
        parts = make()
    except DataError:  # too few images
        return None
    return of_images(images, parts.train).learnt if parts.digest == digest else None


def _read(content: bytes, folder: Path) -> Learnt:
    try:
        return Learnt.read(content)
    except ValueError as error:
        raise RunError(f"{folder / FILE} is damaged ({error}); copy it again, or train anew") from None
