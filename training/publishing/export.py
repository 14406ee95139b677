"""A run's best weights as a published artifact: made compact if wanted, calibrated, measured, described."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from models_store import artifact, store
from models_store.manifest import Compact, Figures, Input, Manifest, Species, Twin
from models_store.pixels import SIZE
from training import networks
from training.artifact import calibration as calibrating
from training.artifact import formats, model_card
from training.artifact.store_errors import as_training_errors
from training.data import species, unlabelled_images
from training.data.images import Images
from training.data.split import Split
from training.errors import RunError
from training.evaluation import metrics, predictions
from training.fitting import run_folder
from training.networks.network import Network
from training.publishing import appraisal, gates, out_of_distribution, out_of_fold, predecessor, quantization
from training.publishing import candidate as candidates
from training.publishing import twin as twins
from training.publishing.candidate import AssembledFiles, Candidate, Rank, Storage
from training.publishing.measured_model import MeasuredModel

PROMISE = calibrating.PROMISE


@dataclass(frozen=True)
class _Terms:
    """What a version is made of, whichever photos its thresholds are chosen on; as in `export`."""

    images: Images
    described: list[Species]
    forms: tuple[formats.Format, ...]
    promise: float
    outside: appraisal.ExternalFolders
    force: bool
    no_plants: Path | None


@dataclass(frozen=True)
class _UnpublishedVersion:
    """A version before it is published."""

    assembled: AssembledFiles
    found: appraisal.Appraisal
    compact: Compact | None
    tested: Images  # that its figures are of
    forced: str | None
    twin: Twin | None = None
    warning: str | None = None


def export(
    folder: Path,
    images: Images,
    destination: Path,
    name: str,
    *,
    rank: Rank = None,
    storage: Storage = "float32",
    forms: tuple[formats.Format, ...] = ("torchscript",),
    promise: float = PROMISE,
    data: Path | None = None,
    outside: appraisal.ExternalFolders = appraisal.NOWHERE,
    force: bool = False,
    no_plants: Path | None = None,
    parts: Split | None = None,
    judge: Callable[[MeasuredModel], gates.Verdict] | None = None,
    twin: Path | None = None,
) -> Path:
    """Publish a run's best weights as the next version of model `name`. Returns its folder.

    rank, storage, parts: as in `candidate.of_run`. The figures of the full network are kept beside those of a compact one.
    forms: the formats that are published. Each is compared with TorchScript, which is always among them; int8 needs onnx beside it.
    promise: the share of confident answers that is to be right. Where the run has folds, their answers are what is chosen on.
    data: the folder with `species.toml`, which says more of the species.
    outside: photos in no split, to choose thresholds on or to measure on.
    force: publish what validation cannot tell from guessing, which is refused otherwise. The card says so.
    no_plants: a folder of pictures of no plant, which are to be unfamiliar.
    judge: is shown the model first. What it says stands on the card; what it raises stops the publication.
    twin: a run or a version. A run that learnt from all images takes temperature, thresholds and limit from it, and is measured on
    photos `outside`.

    Raises RunError, DataError, DiskError.
    """
    with as_training_errors():
        store.check_next(destination, name, "classification")
    candidate = candidates.of_run(folder, images, rank, storage, parts)
    terms = _Terms(images, species.describe(images.species, data), forms, promise, outside, force, no_plants)
    if twin is not None:
        if not candidate.identity.all_images:
            raise RunError(f"{folder} has images to choose thresholds on; --twin is for a run of 'fit --all-images'")
        made = _as_its_twin(candidate, twin, terms)
    elif candidate.identity.all_images:
        raise RunError(
            f"{folder} has learnt from all images, so none is left to choose thresholds on. Give a run or version of the same recipe"
            " without --all-images with --twin DIR, and photos to measure on with --measure NAME=DIR"
        )
    else:
        made = _on_its_split(candidate, folder, terms)
    judged = gates.Verdict([]) if judge is None else judge(made.assembled.measured)
    warnings = [*dict.fromkeys([*judged.said, *_warnings(candidate, made, images, destination, name)])]  # each once
    return _publish(
        candidate, made, images, destination, name, warnings=warnings, forced=made.forced or judged.forced, int8="int8" in forms
    )


def _publish(
    candidate: Candidate,
    made: _UnpublishedVersion,
    images: Images,
    destination: Path,
    name: str,
    *,
    warnings: list[str],
    forced: str | None,
    int8: bool,
) -> Path:
    created = datetime.now(UTC).replace(microsecond=0)
    beside, measured = {**made.assembled.beside}, None
    if int8:
        onnx, told = beside[formats.FILES["onnx"]], made.assembled.measured.described
        beside[formats.FILES["int8"]], measured = quantization.of_split(onnx, images, candidate.split, told, made.found.calibration)

    def describe(version: int, sha256: str, size_bytes: int) -> Manifest:
        return Manifest(
            name=name,
            version=version,
            created=created,
            species=made.assembled.measured.described,
            input=Input(size=SIZE),
            calibration=made.found.calibration,
            figures=made.found.figures,
            elsewhere=made.found.elsewhere,
            ood=made.found.ood,
            training=candidate.identity.in_manifest(networks.parameters(candidate.network), candidate.epoch),
            compact=made.compact,
            int8=measured,
            twin=made.twin,
            capabilities=[*artifact.capabilities(made.assembled.module)],
            warnings=warnings,
            forced=forced,
            files={store.MODEL: sha256} | {file: hashlib.sha256(content).hexdigest() for file, content in beside.items()},
            size_bytes=size_bytes,
        )

    with as_training_errors():
        return store.publish(destination, made.assembled.model, describe, model_card.text, name, beside)


def _on_its_split(candidate: Candidate, folder: Path, terms: _Terms) -> _UnpublishedVersion:
    """Choose on validation images, or out-of-fold answers, and measure on test images."""
    served, split, images = candidate.served, candidate.split, terms.images
    folds = out_of_fold.answers(folder, images, functools.partial(candidates.compact, rank=candidate.rank, storage=candidate.storage))
    tested = images.only(split.test)
    compact = None
    if served is not candidate.network:
        held = images.only(split.validation)
        own = calibrating.fit_temperature(predictions.logits(candidate.network, held.pixels), held.labels)
        compact = candidate.compact(_figures(candidate.network, own, tested, "test"))
    if folds is None:
        logits, labels = predictions.logits(served, images.pixels[split.validation]), images.labels[split.validation]
    else:
        logits, labels = folds.logits, folds.labels
    forced = gates.check_better_than_guessing(logits, labels, images.species, terms.force)
    temperature = calibrating.fit_temperature(logits, labels)
    distance = out_of_distribution.fit(served, candidate.identity.recipe, images, split)
    compared = images.pixels[split.validation[: formats.COMPARED]]
    assembled = candidates.assemble(candidate, temperature, distance, terms.forms, compared, terms.described)
    unknown = None if terms.no_plants is None else unlabelled_images.load(terms.no_plants)
    familiarity = None if distance is None else out_of_distribution.choose_limit(served, assembled.module, images, split, unknown)
    found = appraisal.appraise(
        assembled.measured, temperature, familiarity, images, split, promise=terms.promise, outside=terms.outside, folds=folds
    )
    return _UnpublishedVersion(assembled, found, compact, tested, forced)


def _as_its_twin(candidate: Candidate, twin: Path, terms: _Terms) -> _UnpublishedVersion:
    """Take over what a twin has chosen, and measure on photos in no split."""
    images, outside = terms.images, terms.outside
    if twins.is_version(twin):
        taken = twins.of_version(twin, candidate, outside, terms.promise)
    else:
        other = candidates.of_run(twin, images, candidate.rank, candidate.storage)
        twins.check(candidate, other.identity, str(twin))
        chosen_on = dataclasses.replace(outside, measure={}, ood={})
        settled = _on_its_split(other, twin, dataclasses.replace(terms, forms=("torchscript",), outside=chosen_on))
        reference = Twin(name=run_folder.run_reference(twin, other.identity), figures=settled.found.figures)
        taken = twins.TwinAppraisal(
            reference, terms.described, settled.found.calibration, other.epoch, settled.forced, [*outside.field, *outside.field_parts]
        )
    calibration, recipe = taken.calibration, candidate.identity.recipe
    distance = None
    if calibration.familiarity is not None:
        distance = out_of_distribution.fit(candidate.served, recipe, images, candidate.split)
    compared = images.pixels[candidate.split.train[: formats.COMPARED]]
    assembled = candidates.assemble(candidate, calibration.temperature, distance, terms.forms, compared, taken.described)
    found, tested = appraisal.taken_over(assembled.measured, calibration, taken.chosen_on, outside)
    part = found.figures.split
    probabilities = assembled.measured.probabilities(tested.pixels)
    forced = gates.check_better_than_guessing(probabilities, tested.labels, images.species, terms.force, part)
    compact = None
    if candidate.served is not candidate.network:
        compact = candidate.compact(_figures(candidate.network, calibration.temperature, tested, part))
    warning = twins.other_epoch(candidate.epoch, taken.epoch)
    return _UnpublishedVersion(assembled, found, compact, tested, forced or taken.forced, taken.twin, warning)


def _warnings(candidate: Candidate, made: _UnpublishedVersion, images: Images, destination: Path, name: str) -> list[str]:
    """What whoever publishes it is to know, one sentence each."""
    figures = made.found.figures
    answers = made.assembled.measured.probabilities(made.tested.pixels)
    worse = predecessor.warning(destination, name, answers, images, made.tested, figures.split)
    said = [*gates.few_images(images, candidate.split, figures), *gates.overlap(candidate.split, candidate.origin.unknown)]
    field = predecessor.warning_of_field(destination, name, made.found.calibration)
    return said + [one for one in (made.warning, worse, field) if one is not None]


def _figures(network: Network, temperature: float, tested: Images, part: str) -> Figures:
    """Of the full network."""
    return metrics.figures(part, tested.species, (predictions.logits(network, tested.pixels) / temperature).softmax(1), tested.labels)
