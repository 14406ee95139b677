"""From corrections to the next version: the one in service learns on, and takes its own place if that is shown to be better."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from models_store import republish, store
from models_store.manifest import Manifest
from training.artifact import formats
from training.artifact.store_errors import as_training_errors
from training.data import corrections
from training.data import images as data
from training.errors import DataError, RunError
from training.fitting import write_lock
from training.publishing import appraisal, export, measured_model, predecessor, teaching
from training.publishing.candidate import Storage
from training.publishing.gates import Verdict
from training.publishing.measured_model import MeasuredModel
from training.publishing.paired_answers import PairedAnswers
from training.publishing.weight_interpolation import Interpolation

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # its import takes two seconds


RECIPE = "adapt"
LEAST = 5  # photos: of fewer the sign of each difference is by chance the same in more than 5 of 100 cases
MAY_LOSE = 0.005  # of the accuracy on the version's own test images
NAME = "corrections"  # what the card calls the photos that were held out


@dataclass(frozen=True)
class CorrectionFolders:
    """Folders of `training.data.corrections`; None where there is nothing of the kind."""

    learn: Path
    held_out: Path
    no_plants: Path | None = None
    cache: Path | None = None  # where their decoded images are kept
    alike: bool = False  # photos that were held out may show plants, or be of days, that were learnt from
    groups: Mapping[str, str] | None = None  # of photos in `learn`: those of one group may show one plant

    @classmethod
    def of(cls, folder: Path, cache: Path, alike: bool, groups: Mapping[str, str]) -> Self:
        """As `training.data.corrections.write` writes them. Raises DataError where there are none to learn from, or to measure on."""
        learn, held_out, no_plants = (folder / part for part in (corrections.LEARN, corrections.HELD_OUT, corrections.NO_PLANTS))
        if not (learn.is_dir() and held_out.is_dir()):
            raise DataError(
                "too few corrections to learn from some and to measure on others; accept more of them at /review, or give --all to take"
                " those that wait"
            )
        return cls(learn, held_out, no_plants if no_plants.is_dir() else None, cache, alike, groups)


@dataclass(frozen=True)
class Adaptation:
    """What was published, and how it compares."""

    folder: Path
    before: str  # name/version
    weights: Interpolation
    corrected: PairedAnswers  # to corrections, by networks that have not learnt from them
    test: PairedAnswers
    beside: Path | None  # the other one of the shipped pair, where the store had none


def in_service(destination: Path, name: str) -> Path:
    """The folder of the version that a service of this store serves. Raises DataError where there is none."""
    for place in (destination, store.SHIPPED_STORE):
        if store.versions(place, name):
            return store.resolve(place, name)
    raise DataError(
        f"{destination} holds no version of {name!r} to go on from; publish one with 'python -m training export', or name another"
    )


def to_teach(destination: Path, answered_by: str | None, species: Collection[str]) -> str:
    """The name of the model to teach where none is named: the one whose answers are corrected, and the first one where that is unclear.

    The second one of the shipped pair is not taught `species` that it does not know: it is asked only where both know the same ones.
    Raises DataError, TrainingError.
    """
    first, second = store.SHIPPED_PAIR
    if answered_by == second:
        with as_training_errors():
            known = {one.name for one in store.read_manifest(in_service(destination, second)).species}
        return second if known.issuperset(species) else first
    return answered_by or first


def complete_pair(root: Path, name: str) -> Path | None:
    """Publish the other one of the shipped pair, unchanged, in a store that holds only `name` of it. Returns its folder.

    A service asks a second model only of the store that its first one lies in. None where the store lacks nothing, or the two know other
    species. Raises DiskError, TrainingError.
    """
    if name not in store.SHIPPED_PAIR or not store.versions(root, name):
        return None
    (other,) = {*store.SHIPPED_PAIR} - {name}
    shipped = store.resolve(store.SHIPPED_STORE, other)
    if store.versions(root, other):
        return None
    with as_training_errors():
        mine, theirs = ([one.name for one in store.read_manifest(of).species] for of in (store.resolve(root, name), shipped))
        return republish.republish(root, shipped, other) if mine == theirs else None


def adapt(
    fabric: "Fabric",
    corrected: CorrectionFolders,
    original: Path,
    destination: Path,
    name: str,
    run_folder: Path,
    *,
    recipe: str = RECIPE,
    cache: Path | None = None,
    seed: int = 0,
    force: bool = False,
) -> Adaptation:
    """Fit the version in service to corrections and its own training images, and publish it as the next one if it is better.

    Better: `PairedAnswers.better` on the corrections, and at most `MAY_LOSE` fewer right of the test images of the version before. Each
    correction is answered by a network that has not learnt from it (`teaching`). With `force` it is published all the same, and the card
    says so. Of the weights that were learnt, only so much is taken that little is lost on the validation images of the version before
    (`weight_interpolation`). Where `name` is of the shipped pair, the other one is put beside it (`complete_pair`), also where a killed
    call had not come to that. `original` holds the images of that version's training. Raises DataError, RunError (also where it is not
    better), DiskError, TrainingError.
    """
    folder, beside = in_service(destination, name), complete_pair(destination, name)
    before = measured_model.of_artifact(folder)
    manifest = store.read_manifest(folder)
    if manifest.twin is not None:
        raise DataError(
            f"{manifest.name}/{manifest.version} has learnt from all of its images, so what it would forget cannot be measured; adapt"
            f" {manifest.twin.name}, its twin, in a store of which that is the newest version"
        )
    originals = before.in_order(data.load(original, cache))
    course = teaching.Teaching(fabric, recipe, folder, before, originals, before.split(originals), seed)
    learnt_from = data.load(corrected.learn, corrected.cache, least=1)
    held_out = data.load(corrected.held_out, corrected.cache, least=1)
    telling = sum(len(teaching.unseen(photos, before)) for photos in (learnt_from, held_out))
    if telling < LEAST and not force:
        raise DataError(
            f"only {telling} of the corrections are of photos that {before.name} has not learnt from, and fewer than {LEAST} cannot show"
            " that it is better; accept more, of more plants and days, or publish it all the same with --force"
        )
    groups = learnt_from.files if corrected.groups is None else [corrected.groups[file] for file in learnt_from.files]
    compact = manifest.compact
    rank = None if compact is None else compact.rank
    storage: Storage = "float32" if compact is None else compact.storage
    with write_lock.of_run(run_folder):
        taught, answers = teaching.fold_by_fold(course, learnt_from, groups, run_folder)
    found: list[PairedAnswers] = []

    def judge(model: MeasuredModel) -> Verdict:
        answered = PairedAnswers.together(
            [*answers, PairedAnswers.of(before, model, held_out.only(teaching.unseen(held_out, before, model)))]
        )
        if not answered.n:
            raise DataError("all corrections look like photos that were learnt from; correct photos of other plants or days")
        test = PairedAnswers.of(before, model, originals.only(course.parts.test))
        found.extend([answered, test])
        judged = verdict(before.name, answered, test, taught.weights.text(), force=force, alike=corrected.alike, folds=len(answers))
        lost = predecessor.field_lost(manifest, None)
        return judged if lost is None else replace(judged, said=[*judged.said, lost])

    published = export.export(
        taught.folder,
        taught.images,
        destination,
        name,
        rank=rank,
        storage=storage,
        forms=tuple(form for form in formats.FORMATS if form == "torchscript" or formats.FILES[form] in manifest.files),
        promise=manifest.calibration.promise or export.PROMISE,
        data=original,
        outside=appraisal.ExternalFolders(measure={NAME: corrected.held_out}, cache=corrected.cache, limit_for_parts=_for_parts(manifest)),
        force=force,
        no_plants=corrected.no_plants,
        parts=taught.split,
        judge=judge,
    )
    gained, kept = found
    return Adaptation(published, before.name, taught.weights, gained, kept, beside or complete_pair(destination, name))


def _for_parts(before: Manifest) -> float | None:
    """No new distance is like that of the version before; what was to be relied upon nowhere is so still."""
    familiarity = before.calibration.familiarity
    return 0.0 if familiarity is not None and familiarity.limit_for_parts == 0 else None


def verdict(
    before: str, corrected: PairedAnswers, test: PairedAnswers, weights: str, *, force: bool, alike: bool, folds: int = 0
) -> Verdict:
    """What the card is to say; `weights` tells which were taken, and `folds` how many networks answered corrections.

    Raises RunError where the new version is not better and that was not forced.
    """
    against = []
    if not corrected.better():
        against.append(f"it is not shown to be better than {before} on the corrections")
    if test.difference < -MAY_LOSE:
        against.append(f"it loses more than {100 * MAY_LOSE:g} points on the test images of {before}")
    figures = f"{corrected.text_of_gain('corrections not learnt from')}; {test.text('test images')}; {weights}"
    if against and not force:
        raise RunError(
            f"nothing was published: {' and '.join(against)}. {figures}. More corrections, of more plants and days, tell more;"
            " --force publishes it all the same"
        )
    said = [f"adapted from {before}: {figures}"]
    if folds:
        said.append(
            f"{folds} other networks, each taught without a part of the corrections, answered that part; this one learnt from all but those"
            " held out"
        )
    if alike:
        said.append(
            "corrections measured on are of days that were learnt from, and may show the same plants: these figures may be too good"
        )
    return Verdict(said, " and ".join(against) or None)
