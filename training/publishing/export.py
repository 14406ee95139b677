"""A run's best weights as a published artifact: made compact if wanted, calibrated, measured, described."""

import functools
import hashlib
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from models_store import artifact, store
from models_store.learnt import FILE as LEARNT
from models_store.manifest import Compact, Figures, Input, Manifest
from models_store.pixels import SIZE
from training import networks
from training.artifact import binomial, compression, formats, model_card, torchscript
from training.artifact import calibration as calibrating
from training.data import pictures, species
from training.data.images import Images
from training.data.split import Split
from training.errors import DiskError, RunError
from training.evaluation import metrics, predictions
from training.fitting import provenance, run
from training.networks.network import Network
from training.publishing import appraisal, gates, out_of_distribution, out_of_fold, predecessor
from training.publishing.measured_model import MeasuredModel

Storage = Literal["float32", "float16", "int8"]
Rank = int | Literal["usual"] | None
USUAL_RANK = 64
PROMISE = calibrating.PROMISE


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
    outside: appraisal.Outside = appraisal.NOWHERE,
    force: bool = False,
    strangers: Path | None = None,
    parts: Split | None = None,
    judge: Callable[[MeasuredModel], gates.Verdict] | None = None,
) -> Path:
    """Publish a run's best weights as the next version of model `name`. Returns its folder.

    With `rank` the largest dense layer is factored to that rank; "usual" is `USUAL_RANK` where that saves weights, and no
    factors where it does not. Weights are kept in `storage`. The figures of the full network are kept beside those of a
    compact one. `forms` are formats that it is published in, each compared with TorchScript, which is always
    among them. `promise` is the share of what is relied upon that is to be right. `species.toml` in folder `data` says more
    of the species. Where the run has folds, temperature and thresholds are chosen on their answers. On photos `outside` of
    the split thresholds are chosen too, or the model is measured. What validation cannot tell from guessing is refused,
    unless by `force`, which the card says. Pictures of no plant in folder `strangers` are to be unfamiliar. `parts` is the split of a run
    whose images are more than its recipe splits. `judge` is shown the model before it is published: what it says
    stands on the card, and what it raises stops the publication. Raises RunError, DataError, DiskError.
    """
    description, network, epoch = run.load_best(folder)
    origin = provenance.of_run(folder, description, images)
    if parts is None:
        split = provenance.split_of(images, description, origin.learnt)
    else:
        split = provenance.held_out(images, parts, description.recipe.split, origin.learnt)
    held = {"images": split.counts(), "left_out": split.left_out, "unknown_origins": [*origin.unknown]}
    identity = description.identity(**held)
    learnt = origin.learnt.to_bytes()
    if rank == "usual":
        rank = USUAL_RANK if compression.saves(network, USUAL_RANK) else None
    served = _compact(network, rank, storage)
    folds = out_of_fold.answers(folder, images, functools.partial(_compact, rank=rank, storage=storage))
    made_compact = None
    if served is not network:
        full_figures = _test_figures(network, images, split)
        made_compact = Compact(rank=rank, storage=storage, parameters=_numbers(served), full_figures=full_figures)
    logits, labels = _logits(served, images, split.validation), images.labels[split.validation]
    if folds is not None:
        logits, labels = folds.logits, folds.labels
    forced = gates.check_better_than_guessing(logits, labels, images.species, force)
    temperature = calibrating.fit_temperature(logits, labels)
    distance = out_of_distribution.fit(served, description.recipe, images, split)
    model = torchscript.to_torchscript(served, temperature, distance)
    module = torchscript.open_module(io.BytesIO(model))
    compared = images.pixels[split.validation[: formats.COMPARED]]
    beside = {LEARNT: learnt} | formats.files(forms, served, temperature, distance, module, compared)
    unknown = None if strangers is None else pictures.load(strangers)
    familiarity = None if distance is None else out_of_distribution.choose_limit(served, module, images, split, unknown)
    described = species.describe(images.species, data)
    measured = MeasuredModel(
        description.name, identity, lambda _: origin, described, lambda pixels: predictions.answers(module, pixels), module=module
    )
    found = appraisal.appraise(measured, temperature, familiarity, images, split, promise=promise, outside=outside, folds=folds)
    judged = gates.Verdict([]) if judge is None else judge(measured)
    warnings = [*judged.said, *_warnings(measured, found, images, split, destination, name, origin.unknown)]
    created = datetime.now(UTC).replace(microsecond=0)

    def describe(version: int, sha256: str, size_bytes: int) -> Manifest:
        return Manifest(
            name=name,
            version=version,
            created=created,
            species=described,
            input=Input(size=SIZE),
            calibration=found.calibration,
            figures=found.figures,
            elsewhere=found.elsewhere,
            ood=found.ood,
            training=identity.in_manifest(networks.parameters(network), epoch),
            compact=made_compact,
            capabilities=[*artifact.capabilities(module)],
            warnings=warnings,
            forced=forced or judged.forced,
            files={store.MODEL: sha256} | {file: hashlib.sha256(content).hexdigest() for file, content in beside.items()},
            size_bytes=size_bytes,
        )

    try:
        return store.publish(destination, model, describe, model_card.text, name, beside)
    except store.PublishFailed as error:
        raise DiskError(str(error)) from None


def _warnings(
    model: MeasuredModel,
    found: appraisal.Appraisal,
    images: Images,
    split: Split,
    destination: Path,
    name: str,
    unknown: Sequence[str],
) -> list[str]:
    """What whoever publishes it is to know, one sentence each."""
    answers = model.probabilities(images.pixels[split.test])
    worse = predecessor.warning(destination, name, answers, images, split.test)
    said = gates.few_images(images, split, binomial.of_accuracy(found.figures.accuracy, found.figures.n))
    return [*said, *gates.overlap(split, unknown), *([worse] if worse else [])]


def _compact(network: Network, rank: int | None, storage: Storage) -> Network:
    """The network in the form that is published: itself where nothing is asked for. Raises RunError."""
    try:
        factored = network if rank is None else compression.factorize(network, rank)
    except ValueError as error:
        raise RunError(f"--{error}; give one of these, or only --storage") from None
    return factored if storage == "float32" else compression.STORAGES[storage](factored)


def _test_figures(network: Network, images: Images, split: Split) -> Figures:
    """Figures of the full network on the test split, with a temperature of its own."""
    temperature = calibrating.fit_temperature(_logits(network, images, split.validation), images.labels[split.validation])
    probabilities = (_logits(network, images, split.test) / temperature).softmax(1)
    return metrics.figures("test", images.species, probabilities, images.labels[split.test])


def _logits(network: Network, images: Images, rows: list[int]) -> Tensor:
    return predictions.logits(network, images.pixels[rows])


def _numbers(network: nn.Module) -> int:
    """Weights, biases and norms of a network whose weights may be stored as buffers."""
    running = ("running_mean", "running_var", "num_batches_tracked", "scale")
    return sum(tensor.numel() for name, tensor in network.state_dict().items() if not name.endswith(running))
