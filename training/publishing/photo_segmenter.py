"""The segmenter of whole photos as a published artifact, measured on photos with masks."""

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models_store import artifact, close_up, clumps, photo_maps, pixels, plants, store, white_balance
from models_store.learnt import FILE as LEARNT
from models_store.learnt import Learnt
from models_store.manifest import ClumpFigures, PhotoInput, PlantFigures, PlantThresholds, SegmenterManifest
from models_store.photo_maps import Maps, NetworkMaps
from models_store.plants import Plant
from training import networks
from training.artifact import segmenter_card, torchscript
from training.artifact.store_errors import as_training_errors
from training.data import masked_photos
from training.data.images import Images
from training.data.masked_photos import Half
from training.data.split import Split
from training.errors import RunError, TrainingError
from training.evaluation import detection_metrics
from training.fitting import clump_classifier, photo_segmenter, provenance
from training.fitting.clump_classifier import ClumpPlan
from training.fitting.photo_segmenter import SegmenterOrigin, TrainedClumps, TrainedSegmenter

INPUT = PhotoInput(side=1024, multiple=torchscript.MULTIPLE, enlarged=1.5)
# By IoU, F1 and parts of several plants that pass as one, on the first halves of the fields' photos, by weights that learnt from these.
# Drawn leaves that are smooth have false centres of up to 0.55.
THRESHOLDS = PlantThresholds(plant=0.5, score=0.85, centre=0.6, doubt=0.25)
Pixels = NDArray[np.uint8]
_HELD = 8  # of so many pictures that it learns from, one is composed of validation plants
# By parts that pass as one on the first half of the wheat, and on composed pictures of validation plants: field plants get lower values.
CLUMP = 0.12


@dataclass(frozen=True)
class MeasuredSegmenter:
    """A segmenter as it is served."""

    module: nn.Module
    input: PhotoInput
    thresholds: PlantThresholds
    masks: Sequence[str]  # what it learnt from, as `SegmenterOrigin` names it
    learnt: Learnt | None  # its images; None where they are not known

    def segment(self, photo: Pixels) -> Maps:
        """A photo of any size, uint8 [3,h,w] → its maps."""
        held = pixels.fit(photo, close_up.PHOTO_SIDE)
        return photo_maps.seen(self._maps, self._scaled(held), held, self.thresholds)

    def parts(self, photo: Pixels) -> tuple[Pixels, list[Plant]]:
        """uint8 [3,h,w] → what the classifier of clumps sees of it, at the size of its map, and the parts."""
        return white_balance.balanced(self._scaled(photo)), self.segment(photo).plants(self.thresholds, clumps.LEAST_PX)

    def _maps(self, photo: Pixels) -> NetworkMaps:
        images = torch.tensor(photo)[None].contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            plant, near, afar = (values[0].numpy() for values in self.module(images))
        return plant, near, afar

    def _scaled(self, photo: Pixels) -> Pixels:
        return pixels.resized(photo, plants.map_size(photo.shape[2], photo.shape[1], self.input))


def of_weights(file: Path) -> MeasuredSegmenter:
    """What `fit` wrote. Raises RunError."""
    return of_trained(photo_segmenter.load(file))


def of_trained(trained: TrainedSegmenter) -> MeasuredSegmenter:
    """The same of weights in memory."""
    return _measured(torchscript.ExportedSegmenter(trained.network).eval(), trained)


def _measured(module: nn.Module, trained: TrainedSegmenter) -> MeasuredSegmenter:
    return MeasuredSegmenter(module, INPUT, THRESHOLDS, trained.made_of.masks, trained.learnt)


def of_artifact(folder: Path) -> MeasuredSegmenter:
    """A published version. Raises TrainingError naming the file."""
    manifest, module = torchscript.load_segmenter(folder)
    learnt = provenance.beside(folder, manifest)
    return MeasuredSegmenter(module, manifest.input, manifest.thresholds, manifest.training.masks, learnt)


def add_clumps(
    weights: Path, out: Path, images: Images, parts: Split, plan: ClumpPlan, log: Callable[[str], None] = lambda _: None
) -> ClumpFigures:
    """Train a classifier of the parts that a segmenter finds, and write both to `out`. Returns its figures on validation plants.

    Raises RunError, also where the images are not those of the segmenter's training, DataError, DiskError.
    """
    trained = photo_segmenter.load(weights)
    if parts.digest != trained.made_of.split_digest:
        raise RunError(f"{weights} has learnt from other images; name those in --data: else some of its training would be held out")
    find = of_trained(trained).parts
    learnt = clump_classifier.parts(images.pixels[parts.train], find, plan.pictures, plan.seed, log)
    held = clump_classifier.parts(images.pixels[parts.validation], find, max(1, plan.pictures // _HELD), plan.seed + 1, log)
    network = clump_classifier.train(learnt, plan, log)
    exported = torchscript.ClumpTellingSegmenter(trained.network, network).eval()
    found = clump_classifier.figures(exported.clump_probability, network, held, plan, CLUMP)
    photo_segmenter.save(replace(trained, clumps=TrainedClumps(network, found)), out)
    return found


def figures(measured: MeasuredSegmenter, masks: Sequence[Path], plant_masks: Sequence[Path], half: Half | None) -> list[PlantFigures]:
    """Figures on each folder; plants are counted on those of `plant_masks`. Raises DataError."""
    return [
        detection_metrics.figures(
            measured.segment,
            folder,
            measured.thresholds,
            single=folder in plant_masks,
            learnt_from=_learnt_from(folder, half, measured),
            half=half,
        )
        for folder in (*masks, *plant_masks)
    ]


@dataclass(frozen=True)
class PublishedSegmenter:
    """What was published."""

    folder: Path
    figures: list[PlantFigures]
    warnings: list[str]  # a sentence each, for people


def export(
    weights: str,
    destination: Path,
    name: str,
    masks: Sequence[Path],
    plant_masks: Sequence[Path],
    half: Half | None,
    twin: Path | None = None,
    *,
    force: bool = False,
) -> PublishedSegmenter:
    """Publish weights as the next version of model `name`, measured on the same photos as the version before.

    weights: a file, or a published version, which is published anew with the thresholds of today.
    twin: a published version that learnt in the same way from fewer photos. The figures are its own, for weights that learnt from all.
    force: publish also what is worse everywhere than an excess green index, which is refused otherwise.

    Raises RunError, DataError, DiskError, TrainingError naming the twin's file.
    """
    with as_training_errors():
        store.check_next(destination, name, "segmentation")
    trained = photo_segmenter.known(weights)
    _check_finite(weights, trained)
    classifier = trained.clumps
    model = torchscript.segmenter_to_torchscript(trained.network, None if classifier is None else classifier.network)
    module = torchscript.open_module(io.BytesIO(model))
    if twin is None:
        found = figures(_measured(module, trained), masks, plant_masks, half)
    else:
        called = _check_twin(trained, twin)
        found = [
            one.model_copy(update={"learnt_from": f"all of them; these are the figures of {called}, which learnt from {one.learnt_from}"})
            for one in figures(of_artifact(twin), masks, plant_masks, half)
        ]
    warnings = _beside_green(found, force=force)
    warnings += _beside_version_before(destination, name, found, (masks, plant_masks, half), twin)
    beside = {} if trained.learnt is None else {LEARNT: trained.learnt.to_bytes()}
    created = datetime.now(UTC).replace(microsecond=0)

    def describe(version: int, sha256: str, size_bytes: int) -> SegmenterManifest:
        return SegmenterManifest(
            name=name,
            version=version,
            created=created,
            input=INPUT,
            thresholds=THRESHOLDS if classifier is None else THRESHOLDS.model_copy(update={"clump": CLUMP}),
            figures=found,
            clumps=None if classifier is None else classifier.figures,
            training=trained.made_of.in_manifest(networks.parameters(trained.network)),
            capabilities=artifact.capabilities(module),
            files={store.MODEL: sha256} | {file: hashlib.sha256(content).hexdigest() for file, content in beside.items()},
            size_bytes=size_bytes,
        )

    with as_training_errors():
        return PublishedSegmenter(store.publish(destination, model, describe, segmenter_card.text, name, beside), found, warnings)


def _beside_green(found: Sequence[PlantFigures], *, force: bool) -> list[str]:
    """What to say of a segmenter that finds less everywhere than a threshold of greenness. Raises RunError unless that was forced."""
    greens = [max(one.green_fixed_iou, one.green_otsu_iou) for one in found]  # by Otsu it is hardly anything where plants are few
    if any(one.iou >= green for one, green in zip(found, greens, strict=True)):
        return []
    ious = ", ".join(f"{one.folder} {one.iou:.3f} beside {green:.3f}" for one, green in zip(found, greens, strict=True))
    worse = f"it finds plants worse than an excess green index does, on all photos that it was measured on (IoU: {ious})"
    if not force:
        raise RunError(f"nothing was published: {worse}. Train it with more --steps or photos; --force publishes it all the same")
    return [f"published by --force: {worse}"]


def _beside_version_before(
    destination: Path,
    name: str,
    found: Sequence[PlantFigures],
    folders: tuple[Sequence[Path], Sequence[Path], Half | None],
    twin: Path | None,
) -> list[str]:
    """What to say where the newest version of a store, on the same folders, is better on one, or cannot be asked."""
    if not store.versions(destination, name):
        return []
    before = store.resolve(destination, name)
    if twin is not None and twin.resolve() == before.resolve():  # these are its figures
        return []
    try:
        theirs = figures(of_artifact(before), *folders)
    except TrainingError as error:
        return [f"it was not compared with the version before: {error}"]
    return [
        f"{name}/{before.name}, which it takes the place of, is better on {old.folder}: IoU {old.iou:.3f}, this one {new.iou:.3f}"
        f" ({name}/{before.name} learnt from: {old.learnt_from})"
        for old, new in zip(theirs, found, strict=True)
        if round(old.iou, 3) > round(new.iou, 3)
    ]


def _check_finite(weights: str, trained: TrainedSegmenter) -> None:
    """Raises RunError where a training has run away."""
    networks_of = (trained.network, *(() if trained.clumps is None else (trained.clumps.network,)))
    if not all(torch.isfinite(values).all() for network in networks_of for values in network.state_dict().values()):
        raise RunError(f"{weights} holds numbers that are not finite, so it finds nothing; fit it anew with a lower --learning-rate")


_ALIKE = ("network", "parameters", "steps", "seed", "start", "split_digest", "images", "batch_size", "learning_rate")


def _check_twin(trained: TrainedSegmenter, folder: Path) -> str:
    """What a twin is called. Raises RunError where it learnt in another way, TrainingError naming the file."""
    with as_training_errors():
        manifest = store.read_any_manifest(folder)
    if not isinstance(manifest, SegmenterManifest):
        raise RunError(f"--twin {folder} is no segmenter; name a version that 'photo-segmenter export' published")
    own = trained.made_of.in_manifest(networks.parameters(trained.network))
    for field in _ALIKE:
        if getattr(own, field) != getattr(manifest.training, field):
            raise RunError(f"--twin {folder} is no twin: it differs in {field}; fit both with the same options, but for photos with masks")
    return f"{manifest.name}/{manifest.version}"


def _learnt_from(folder: Path, half: Half | None, measured: MeasuredSegmenter) -> str:
    """In words, what weights have learnt from a folder, given what is measured of it: by the images, whatever they are called now.

    Raises DataError.
    """
    if measured.learnt is None:
        return f"not recorded; masks of {', '.join(measured.masks)}" if measured.masks else "no photo with a mask"
    every, these = masked_photos.files(folder), masked_photos.files(folder, half)
    seen = {file for file, holds in zip(every, measured.learnt.holds(provenance.records_of(every)), strict=True) if holds}
    of_these = len(seen.intersection(these))
    if of_these == len(these):
        return "these photos"
    if of_these:
        return f"{of_these} of these photos"
    if seen:
        return f"{len(seen)} other photos of this folder"
    named = {entry.split(":")[0] for entry in measured.masks}
    return "no photo of this folder" + (", but of one of this name" if SegmenterOrigin.name_of(folder) in named else "")
