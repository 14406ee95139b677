"""From corrections to the next version: the one in service learns on, and takes its own place if that is shown to be better."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from models_store import republish, store
from models_store.manifest import Manifest
from training import recipe as recipes
from training.artifact import binomial, formats
from training.artifact.store_errors import as_training_errors
from training.data import corrections, mixing
from training.data import images as data
from training.data.images import Images
from training.errors import DataError, RunError, TrainingError
from training.fitting import loop, write_lock
from training.publishing import appraisal, export, measured_model, predecessor, weight_interpolation
from training.publishing.candidate import Storage
from training.publishing.gates import Verdict
from training.publishing.measured_model import MeasuredModel
from training.publishing.weight_interpolation import Interpolation
from training.recipe import Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # its import takes two seconds


RECIPE = "adapt"
LEAST_STEPS = 130  # fewer leave the weights nearly where they were
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

    @classmethod
    def of(cls, folder: Path, cache: Path, alike: bool) -> Self:
        """As `training.data.corrections.write` writes them. Raises DataError where there are none to learn from, or to measure on."""
        learn, held_out, no_plants = (folder / part for part in (corrections.LEARN, corrections.HELD_OUT, corrections.NO_PLANTS))
        if not (learn.is_dir() and held_out.is_dir()):
            raise DataError(
                "too few corrections to learn from some and to measure on others; accept more of them at /review, or give --all to take"
                " those that wait"
            )
        return cls(learn, held_out, no_plants if no_plants.is_dir() else None, cache, alike)


@dataclass(frozen=True)
class PairedAnswers:
    """Right answers of the version before and of the new one, to the same photos."""

    before: Tensor  # bool [N]
    now: Tensor  # bool [N]

    @property
    def n(self) -> int:
        """Photos."""
        return len(self.now)

    @property
    def difference(self) -> float:
        """Share of the photos that the new one answers rightly, less that of the version before."""
        return float((self.now.double() - self.before.double()).mean())

    @property
    def at_least(self) -> float:
        """One-sided 95% bound: the difference is at least this."""
        return binomial.least_difference(*self._alone, self.n)

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the difference."""
        return binomial.difference(*self._alone, self.n)

    @property
    def _alone(self) -> tuple[int, int]:
        """Photos that the new one alone answers rightly, and those that the version before alone does."""
        return int((self.now & ~self.before).sum()), int((self.before & ~self.now).sum())

    def text_of_gain(self, name: str) -> str:
        """Both counts, and the difference in points with what it is at least."""
        return f"{self._counts(name)} (95%: at least {100 * self.at_least:+.1f})"

    def text(self, name: str) -> str:
        """Both counts, and the difference in points with its interval."""
        low, high = self.interval
        return f"{self._counts(name)} (95%: {100 * low:+.1f} to {100 * high:+.1f})"

    def _counts(self, name: str) -> str:
        right, before = int(self.now.sum()), int(self.before.sum())
        return f"{name}: {right} of {self.n} right, {before} before: {100 * self.difference:+.1f} points"


@dataclass(frozen=True)
class Adaptation:
    """What was published, and how it compares."""

    folder: Path
    before: str  # name/version
    weights: Interpolation
    held_out: PairedAnswers
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


def to_teach(answered_by: str | None) -> str:
    """The name of the model to teach where none is named: the one whose answers are corrected, and the first one where that is unclear.

    Of the shipped pair it is the first one whichever answered. The second one is right on much of what it is asked, so few photos hardly
    show that it gained (training/LOG.md has figures), and a species that it alone knows would end its being asked.
    """
    first, second = store.SHIPPED_PAIR
    return first if answered_by in (None, second) else answered_by


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

    Better: on the corrections held out its share of right answers is higher, by McNemar's exact test, one-sided, at 95%, and on the test
    images of the version before at most `MAY_LOSE` lower. With `force` it is published all the same, and the card says so. Of the weights
    that were learnt, only so much is taken that little is lost on the validation images of the version before (`weight_interpolation`).
    Where `name` is of the shipped pair, the other one is put beside it (`complete_pair`), also where a killed call had not come to that.
    `original` holds the images of that version's training. Raises DataError, RunError (also where it is not better), DiskError,
    TrainingError.
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
    parts = before.split(originals)
    learnt_from = data.load(corrected.learn, corrected.cache, least=1)
    held_out = data.load(corrected.held_out, corrected.cache, least=1)
    images, mixed = mixing.mixed(originals, parts, learnt_from)
    made = _recipe(recipe, manifest, folder, seed, len(mixed.train))
    compact = manifest.compact
    rank = None if compact is None else compact.rank
    storage: Storage = "float32" if compact is None else compact.storage
    with write_lock.of_run(run_folder):
        loop.fit(fabric, made, recipes.name_of_now(recipe), images, mixed, run_folder)
        chosen, weights = weight_interpolation.interpolate(run_folder, images, before, mixed)
    found: list[PairedAnswers] = []

    def judge(model: MeasuredModel) -> Verdict:
        both = compare(before, model, held_out, originals.only(parts.test))
        found.extend(both)
        judged = verdict(before.name, *both, weights.text(), force=force, alike=corrected.alike)
        lost = predecessor.field_lost(manifest, None)
        return judged if lost is None else replace(judged, said=[*judged.said, lost])

    published = export.export(
        chosen,
        images,
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
        parts=mixed,
        judge=judge,
    )
    gained, kept = found
    return Adaptation(published, before.name, weights, gained, kept, beside or complete_pair(destination, name))


def _for_parts(before: Manifest) -> float | None:
    """No new distance is like that of the version before; what was to be relied upon nowhere is so still."""
    familiarity = before.calibration.familiarity
    return 0.0 if familiarity is not None and familiarity.limit_for_parts == 0 else None


def compare(before: MeasuredModel, now: MeasuredModel, held_out: Images, tested: Images) -> tuple[PairedAnswers, PairedAnswers]:
    """Both models on corrections held out and on test images, without photos that either has learnt from. Raises DataError for none."""
    seen = before.provenance(held_out).learnt.holds(held_out.records) | now.provenance(held_out).learnt.holds(held_out.records)
    if seen.all():
        raise DataError("all corrections that are held out look like photos that were learnt from; correct photos of other plants or days")
    return _both(before, now, held_out.only((~seen).nonzero()[0].tolist())), _both(before, now, tested)


def _both(before: MeasuredModel, now: MeasuredModel, images: Images) -> PairedAnswers:
    shown = [images.species[label] for label in images.labels.tolist()]

    def right(model: MeasuredModel) -> Tensor:
        answers = model.probabilities(images.pixels).argmax(1).tolist()
        return torch.tensor([model.species[answer] == species for answer, species in zip(answers, shown, strict=True)])

    return PairedAnswers(right(before), right(now))


def verdict(before: str, held_out: PairedAnswers, test: PairedAnswers, weights: str, *, force: bool, alike: bool) -> Verdict:
    """What the card is to say; `weights` tells which were taken.

    Raises RunError where the new version is not better and that was not forced.
    """
    against = []
    if held_out.at_least <= 0:
        against.append(f"it is not shown to be better than {before} on the corrections held out")
    if test.difference < -MAY_LOSE:
        against.append(f"it loses more than {100 * MAY_LOSE:g} points on the test images of {before}")
    figures = f"{held_out.text_of_gain('corrections held out')}; {test.text('test images')}; {weights}"
    if against and not force:
        raise RunError(
            f"nothing was published: {' and '.join(against)}. {figures}. More corrections, of more plants and days, tell more;"
            " --force publishes it all the same"
        )
    said = [f"adapted from {before}: {figures}"]
    if alike:
        said.append("corrections held out are of days that were learnt from, and may show the same plants: their figures may be too good")
    return Verdict(said, " and ".join(against) or None)


def _recipe(name: str, manifest: Manifest, folder: Path, seed: int, images: int) -> Recipe:
    """The recipe for the network of a version, with more epochs where these have few images.

    Raises TrainingError for a version of a network that this release does not know.
    """
    made = manifest.training.recipe
    shipped = folder.is_relative_to(store.SHIPPED_STORE)
    try:
        found = recipes.load(
            name,
            network=manifest.training.network,
            start=f"{manifest.name}/{manifest.version}" if shipped else str(folder),
            plant_view=made.get("plant_view", "off"),
            split=made.get("split", "report"),
            split_seed=made.get("split_seed", 0),
            seed=seed,
        )
    except TrainingError as error:
        raise TrainingError(f"{manifest.name}/{manifest.version} cannot be trained further: {error}") from None
    steps = max(1, images // found.batch_size)
    return found.model_copy(update={"epochs": max(found.epochs, math.ceil(LEAST_STEPS / steps))})
