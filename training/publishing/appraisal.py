"""What is chosen and measured of an artifact before it is published: its thresholds, its figures on test, on photos from elsewhere, on
pictures of anything else.
"""

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models_store.manifest import Calibration, ElsewhereFigures, Familiarity, Figures, OodFigures
from training.artifact import answer_figures, thresholds
from training.artifact import calibration as calibrating
from training.artifact.thresholds import HeldOutAnswers
from training.data import unlabelled_images
from training.data.images import Images
from training.data.split import Split
from training.errors import DataError
from training.evaluation import metrics
from training.publishing import external_photos, field_limit, out_of_distribution
from training.publishing.field_limit import FieldAnswers
from training.publishing.measured_model import MeasuredModel
from training.publishing.out_of_fold import OutOfFold


@dataclass(frozen=True)
class ExternalFolders:
    """Folders of photos in no split, by the names that the card has for them."""

    field: Mapping[str, Path] = dataclasses.field(default_factory=dict)  # thresholds are chosen to hold on them too
    measure: Mapping[str, Path] = dataclasses.field(default_factory=dict)  # measured once; nothing is chosen by them
    ood: Mapping[str, Path] = dataclasses.field(default_factory=dict)  # pictures of anything else
    field_promise: float | None = None  # None: that on the data set's own images
    cache: Path | None = None
    field_parts: Mapping[str, Path] = dataclasses.field(default_factory=dict)  # parts of photos from outside
    limit_for_parts: float | None = None  # what is known of it, where there are none of these parts to choose it on

    def __post_init__(self) -> None:
        """Raise DataError where a name has two folders, a folder is chosen on and measured on, or a promise is of no photos."""
        names = [*self.field, *self.field_parts, *self.measure]
        if twice := sorted(name for name in {*names} if names.count(name) > 1):
            raise DataError(f"{twice[0]} is the name of two folders of photos; give each a name of its own")
        chosen_on = {folder.resolve(): f"--field {name}" for name, folder in self.field.items()}
        chosen_on |= {folder.resolve(): f"--field-parts {name}" for name, folder in self.field_parts.items()}
        for name, folder in self.measure.items():
            if other := chosen_on.get(folder.resolve()):
                raise DataError(
                    f"--measure {name} is the folder of {other}; figures on photos that thresholds were chosen on are too good, so"
                    " measure on others"
                )
        if self.field_parts and not self.field:
            raise DataError("--field-parts are parts of photos from outside; give the photos themselves with --field")
        if self.field_promise is not None and not self.field:
            raise DataError("--field-promise is for the photos of --field; name these, or leave it out")


NOWHERE = ExternalFolders()


@dataclass(frozen=True)
class Appraisal:
    """The parts of a manifest that are found here."""

    calibration: Calibration
    figures: Figures
    elsewhere: dict[str, ElsewhereFigures]
    ood: dict[str, OodFigures]


def appraise(
    model: MeasuredModel,
    temperature: float,
    familiarity: Familiarity | None,
    images: Images,
    split: Split,
    *,
    promise: float = calibrating.PROMISE,
    outside: ExternalFolders = NOWHERE,
    folds: OutOfFold | None = None,
) -> Appraisal:
    """Choose the thresholds of `model` on its validation images, or out-of-fold answers, and on photos from the field, and measure it.

    The images count their labels in the model's order; the temperature is inside the model already. Raises DataError.
    """

    def part(name: str, rows: list[int]) -> FieldAnswers:
        shown = [model.described[label] for label in images.labels[rows].tolist()]
        return FieldAnswers(*external_photos.ask(model, familiarity, f"{name} images", images.pixels[rows], shown, promise))

    def ask(found: external_photos.Photos, promised: float) -> FieldAnswers:
        return FieldAnswers(*external_photos.ask(model, familiarity, found.name, found.pixels, found.shown(), promised))

    def asked_of(folders: Mapping[str, Path], promised: float) -> list[tuple[external_photos.Photos, FieldAnswers]]:
        found = [external_photos.load(name, folder, outside.cache, model) for name, folder in folders.items()]
        return [(one, ask(one, promised)) for one in found]

    field, parts = (asked_of(folders, outside.field_promise or promise) for folders in (outside.field, outside.field_parts))
    validation = part("validation", split.validation)
    held = validation if folds is None else FieldAnswers(_of_folds(folds, model, temperature, promise), None)
    in_field, in_parts = ([asked for _, asked in found] for found in (field, parts))
    calibration = field_limit.calibrate(temperature, model.described, held, in_field, familiarity, validation.distances)
    calibration = calibration.model_copy(update={"folds": None if folds is None else folds.folds})
    limit = outside.limit_for_parts
    if in_parts:
        limit = field_limit.for_parts(model.described, calibration, in_parts, validation.distances)
    calibration = field_limit.with_limit_for_parts(calibration, limit)
    calibrated, known = dataclasses.replace(model, calibration=calibration), calibration.familiarity
    tested = part("test", split.test)
    figures = metrics.figures("test", model.species, torch.tensor(tested.answers.probabilities), images.labels[split.test])
    measured = asked_of(outside.measure, promise)
    elsewhere = [(True, False, field), (True, True, parts), (False, False, measured)]
    return Appraisal(
        calibration,
        figures.model_copy(update={"answers": answer_figures.figures(model.described, calibration, tested.within(known))}),
        {
            found.name: ElsewhereFigures.model_validate(
                {"chosen_by": chosen_by, "parts": of_parts, **external_photos.figures(calibrated, found, asked.within(known))}
            )
            for chosen_by, of_parts, photos in elsewhere
            for found, asked in photos
        },
        {
            name: out_of_distribution.on_pictures(calibrated, tested.distances, unlabelled_images.load(file))
            for name, file in outside.ood.items()
        },
    )


def taken_over(
    model: MeasuredModel, calibration: Calibration, chosen_on: Collection[str], outside: ExternalFolders
) -> tuple[Appraisal, Images]:
    """Measure a model that has temperature, thresholds and limit from another one, and no test images of its own.

    Its figures are those on the first folder of `outside.measure` that shows each species and was not chosen by. Returns its images
    too. Raises DataError where there is no such folder.
    """
    model = dataclasses.replace(model, calibration=calibration)
    elsewhere: dict[str, ElsewhereFigures] = {}
    first: tuple[Images, Figures, Tensor | None] | None = None
    for name, folder in {**outside.field, **outside.field_parts, **outside.measure}.items():
        found = external_photos.load(name, folder, outside.cache, model)
        asked, distances = external_photos.ask(model, calibration.familiarity, name, found.pixels, found.shown(), calibration.promise or 0)
        known = {"chosen_by": name in chosen_on, "parts": name in outside.field_parts}
        elsewhere[name] = ElsewhereFigures.model_validate({**known, **external_photos.figures(model, found, asked)})
        if first is None and name not in chosen_on and {*found.images.species} == {*model.species}:
            images = model.in_order(found.images)
            figures = metrics.figures(name, model.species, torch.tensor(asked.probabilities), images.labels)
            first = images, figures.model_copy(update={"answers": elsewhere[name].answers}), distances
    if first is None:
        raise DataError(
            "nothing was published: a network that learnt from all images has no test images of its own. Give photos to measure it on with"
            f" --measure NAME=DIR; they have to show each of the {len(model.species)} species"
        )
    images, figures, distances = first
    ood = {name: out_of_distribution.on_pictures(model, distances, unlabelled_images.load(folder)) for name, folder in outside.ood.items()}
    return Appraisal(calibration, figures, elsewhere, ood), images


def _of_folds(folds: OutOfFold, model: MeasuredModel, temperature: float, promise: float) -> HeldOutAnswers:
    """All count as familiar: the distance is measured by the published network, which has learnt from most of them."""
    shown = [model.described[label] for label in folds.labels.tolist()]
    return thresholds.held_out("out-of-fold answers", (folds.logits / temperature).softmax(1), shown, None, promise)
