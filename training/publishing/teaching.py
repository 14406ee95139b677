"""What a version in service learns from corrections and its own training images, and what that is worth on corrections not learnt from."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models_store import store
from training import recipe as recipes
from training.data import corrections, mixing
from training.data.images import Images
from training.data.split import Split
from training.errors import TrainingError
from training.fitting import loop, run_folder, time_left
from training.publishing import measured_model, weight_interpolation
from training.publishing.measured_model import MeasuredModel
from training.publishing.paired_answers import PairedAnswers
from training.publishing.weight_interpolation import Interpolation
from training.recipe import Recipe

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # its import takes two seconds


FOLDS = 2  # of the corrections learnt from; each takes as long again as the training of what is published
LEAST_STEPS = 130  # fewer leave the weights nearly where they were


@dataclass(frozen=True)
class Taught:
    """What was learnt from corrections."""

    folder: Path  # of the run, with the weights that were taken
    weights: Interpolation
    images: Images  # the version's own and the corrections
    split: Split

    def model(self) -> MeasuredModel:
        """To be asked. Raises RunError."""
        return measured_model.of_run(self.folder, self.weights.temperature)


@dataclass(frozen=True)
class Teaching:
    """A version, and what it is taught by beside corrections."""

    fabric: "Fabric"
    recipe: str
    version: Path
    before: MeasuredModel
    originals: Images
    parts: Split
    seed: int

    def fit(self, corrected: Images, folder: Path) -> float:
        """Learn from these corrections into a run folder, or go on there; returns the seconds.

        Raises RunError, DataError, DiskError, TrainingError.
        """
        images, mixed = mixing.mixed(self.originals, self.parts, corrected)
        made = _recipe(self.recipe, self.version, self.seed, len(mixed.train))
        history = loop.fit(self.fabric, made, recipes.name_of_now(self.recipe), images, mixed, folder, corrections=mixing.digest(corrected))
        (folder / run_folder.LAST).unlink(missing_ok=True)  # as large as four times the weights; only an unfinished run needs it
        return sum(row["seconds"] for row in history)

    def taught(self, corrected: Images, folder: Path) -> Taught:
        """What a finished run has learnt from them. Raises RunError, DataError, DiskError, TrainingError."""
        images, mixed = mixing.mixed(self.originals, self.parts, corrected)
        return Taught(*weight_interpolation.interpolate(folder, images, self.before, mixed), images, mixed)


def fold_by_fold(teaching: Teaching, corrected: Images, groups: list[str], folder: Path) -> tuple[Taught, list[PairedAnswers]]:
    """Train the network that is to be published on all corrections, and one more for each fold, without that fold, which it then answers.

    Returns what the first one learnt, and the answers of the others. So each correction is learnt from, and still measures what is gained.
    `groups` has a name for each image; images of one are in one fold. Where they cannot be divided there are no answers. Raises RunError,
    DataError, DiskError, TrainingError.
    """
    before, answers = teaching.before, list[PairedAnswers]()
    new = unseen(corrected, before)  # what the version before has learnt from tells nothing of a gain
    divided = corrections.in_folds([int(corrected.labels[row]) for row in new], [groups[row] for row in new], FOLDS)
    networks = len(divided) + 1
    if known := len(groups) - len(new):
        teaching.fabric.print(
            f"{before.name} has learnt from {known} of these {len(groups)} already: the others, and those held out, tell what is gained"
        )
    teaching.fabric.print(f"network 1 of {networks}, taught all corrections but those held out: the one to be published")
    took_s = [teaching.fit(corrected, folder)]
    for number, fold in enumerate(divided, 2):
        left = time_left.in_words(took_s, networks + 1 - number, at_most=False)
        teaching.fabric.print(f"network {number} of {networks}, taught without a part of them, which it then answers: {left}")
        mine = {new[place] for place in fold}
        others, run = corrected.only([row for row in range(len(groups)) if row not in mine]), folder / f"without-{number - 1}"
        took_s.append(teaching.fit(others, run))
        now = teaching.taught(others, run).model()
        answers.append(PairedAnswers.of(before, now, corrected.only([row for row in unseen(corrected, now) if row in mine])))
    return teaching.taught(corrected, folder), answers


def unseen(images: Images, *models: MeasuredModel) -> list[int]:
    """The rows of images that no model has learnt from."""
    seen = {row for model in models for row in model.provenance(images).learnt.holds(images.records).nonzero()[0].tolist()}
    return [row for row in range(len(images.files)) if row not in seen]


def _recipe(name: str, folder: Path, seed: int, images: int) -> Recipe:
    """The recipe for the network of a version, with more epochs where these have few images.

    Raises TrainingError for a version of a network that this release does not know.
    """
    manifest = store.read_manifest(folder)
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
