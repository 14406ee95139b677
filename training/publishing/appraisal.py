"""What is chosen and measured of an artifact before it is published: its thresholds, its figures on test, on photos from elsewhere, on
pictures of anything else.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models_store.manifest import Calibration, ElsewhereFigures, Familiarity, Figures, OodFigures
from training.artifact import answer_figures, thresholds
from training.artifact import calibration as calibrating
from training.artifact.thresholds import HeldOut
from training.data import pictures
from training.data.images import Images
from training.data.split import Split
from training.errors import DataError
from training.evaluation import metrics
from training.publishing import external_photos, out_of_distribution
from training.publishing.measured_model import MeasuredModel
from training.publishing.out_of_fold import OutOfFold


@dataclass(frozen=True)
class Outside:
    """Folders of photos in no split, by the names that the card has for them."""

    field: Mapping[str, Path] = dataclasses.field(default_factory=dict)  # thresholds are chosen to hold on them too
    measure: Mapping[str, Path] = dataclasses.field(default_factory=dict)  # measured once; nothing is chosen by them
    ood: Mapping[str, Path] = dataclasses.field(default_factory=dict)  # pictures of anything else
    field_promise: float | None = None  # None: that on the data set's own images
    cache: Path | None = None


NOWHERE = Outside()


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
    outside: Outside = NOWHERE,
    folds: OutOfFold | None = None,
) -> Appraisal:
    """Choose the thresholds of `model` on its validation images, or out-of-fold answers, and on photos from the field, and measure it.

    Raises DataError.

    The images count their labels in the model's order; the temperature is inside the model already.
    """
    if twice := sorted({*outside.field} & {*outside.measure}):
        raise DataError(f"{twice[0]} is the name of two folders of photos; give each a name of its own")

    def part(name: str, rows: list[int]) -> tuple[HeldOut, Tensor | None]:
        shown = [model.described[label] for label in images.labels[rows].tolist()]
        return external_photos.ask(model, familiarity, f"{name} images", images.pixels[rows], shown, promise)

    def ask(name: str, folder: Path, promised: float) -> tuple[external_photos.Photos, HeldOut]:
        found = external_photos.load(name, folder, outside.cache, model)
        return found, external_photos.ask(model, familiarity, name, found.pixels, found.shown(), promised)[0]

    in_field = [ask(name, folder, outside.field_promise or promise) for name, folder in outside.field.items()]
    held = part("validation", split.validation)[0] if folds is None else _of_folds(folds, model, temperature, promise)
    calibration = calibrating.calibrate(temperature, model.described, held, [asked for _, asked in in_field], familiarity)
    calibration = calibration.model_copy(update={"folds": None if folds is None else folds.folds})
    calibrated = dataclasses.replace(model, calibration=calibration)
    tested, distances = part("test", split.test)
    figures = metrics.figures("test", model.species, torch.tensor(tested.probabilities), images.labels[split.test])
    elsewhere = [(True, *one) for one in in_field] + [(False, *ask(name, folder, promise)) for name, folder in outside.measure.items()]
    return Appraisal(
        calibration,
        figures.model_copy(update={"answers": answer_figures.figures(model.described, calibration, tested)}),
        {
            found.name: ElsewhereFigures.model_validate({"chosen_by": chosen_by, **external_photos.figures(calibrated, found, asked)})
            for chosen_by, found, asked in elsewhere
        },
        {name: out_of_distribution.on_pictures(calibrated, distances, pictures.load(folder)) for name, folder in outside.ood.items()},
    )


def _of_folds(folds: OutOfFold, model: MeasuredModel, temperature: float, promise: float) -> HeldOut:
    """All count as familiar: the distance is measured by the published network, which has learnt from most of them."""
    shown = [model.described[label] for label in folds.labels.tolist()]
    return thresholds.held_out("out-of-fold answers", (folds.logits / temperature).softmax(1), shown, None, promise)
