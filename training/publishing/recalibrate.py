"""An artifact of before with thresholds by the rules of now: the same network, chosen and measured anew."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

from models_store import store
from models_store.manifest import MIN_READER_SCHEMA, SCHEMA_VERSION, Manifest
from training.artifact import calibration as calibrating
from training.artifact import model_card
from training.artifact.store_errors import as_training_errors
from training.data import species
from training.data.images import Images
from training.errors import TrainingError
from training.publishing import appraisal, measured_model, predecessor


def recalibrate(
    folder: Path,
    images: Images,
    destination: Path,
    *,
    promise: float = calibrating.PROMISE,
    data: Path | None = None,
    outside: appraisal.ExternalFolders = appraisal.NOWHERE,
) -> Path:
    """Publish the artifact in `folder` as the next version of its model, with new thresholds and figures. Returns its folder.

    `images` are those of its training. `model.pt` is the same to the byte: so are probabilities, temperature and distance. The limit of
    the distance may be lowered, where that makes thresholds hold on field photos. It is never raised again: to choose without these
    photos, recalibrate the version before. Species are described as `species.toml` in folder `data` and the table do.

    Raises DataError when these are not the images of the training, TrainingError naming the file, DiskError.
    """
    with as_training_errors():
        old, files = store.read_manifest(folder), store.contents(folder)[1]
    if old.twin is not None:
        raise TrainingError(
            f"{old.name}/{old.version} has learnt from all images, and has its thresholds from {old.twin.name}; recalibrate that, and"
            " export the run anew with --twin"
        )
    names = [one.name for one in old.species]
    model = dataclasses.replace(measured_model.of_artifact(folder), described=species.describe(names, data))
    images = model.in_order(images)
    split = model.split(images)
    known = old.calibration
    outside = dataclasses.replace(outside, limit_for_parts=None if known.familiarity is None else known.familiarity.limit_for_parts)
    found = appraisal.appraise(model, known.temperature, known.familiarity, images, split, promise=promise, outside=outside)
    lost = predecessor.field_lost(old, found.calibration)

    def describe(version: int, *_: object) -> Manifest:
        return old.model_copy(
            update={
                "schema_version": SCHEMA_VERSION,
                "min_reader_schema": MIN_READER_SCHEMA,
                "version": version,
                "created": datetime.now(UTC).replace(microsecond=0),
                "species": model.described,
                "calibration": found.calibration,
                "figures": found.figures,
                "elsewhere": found.elsewhere,
                "ood": found.ood,
                "warnings": [*predecessor.without_field_lost(old.warnings), *([lost] if lost else [])],
                "recalibrated_from": f"{old.name}/{old.version}",
            }
        )

    with as_training_errors():
        return store.publish(destination, files.pop(store.MODEL), describe, model_card.text, old.name, files)
