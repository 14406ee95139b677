"""A model and its answers to one part of a split."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from models_store.artifact import Capability
from models_store.manifest import Calibration
from models_store.store import read_manifest
from training.artifact import torchscript
from training.data.images import Images
from training.data.tensors import to_float
from training.errors import DataError
from training.evaluation import predictions, saliency
from training.fitting import provenance, run_folder
from training.publishing import measured_model


@dataclass(frozen=True)
class EvaluatedModel:
    """A run or a published version, and its answers, computed when the page is built."""

    name: str
    source: str  # what was asked, in words
    part: str  # of the split
    images: Images  # labels in the order of the model's species
    rows: list[int]  # of the part
    probabilities: Tensor  # float32 [N,species], in the order of `rows`
    familiar: Tensor  # bool [N]; all are to a model that cannot tell
    calibration: Calibration | None  # None: of a run
    explain: Callable[[Tensor, Tensor], Tensor] | None  # uint8 [N,3,S,S] and int64 [N] → saliency [N,h,w]; None: it cannot be told

    @property
    def labels(self) -> Tensor:
        """int64 [N] of `rows`."""
        return self.images.labels[self.rows]

    @property
    def right(self) -> list[bool]:
        """Whether each answer is right, [N]."""
        return (self.probabilities.argmax(1) == self.labels).tolist()

    def title(self, index: int) -> str:
        """What stands over a photo: its species, and below it the answer, where that is another."""
        probability, answer = self.probabilities[index].max(0)
        names, species = self.images.species, int(self.labels[index])
        told = "" if int(answer) == species else f" → {names[int(answer)]}"
        return f"{names[species]}\n{float(probability):.0%}{told}"


def of_artifact(folder: Path, images: Images) -> EvaluatedModel:
    """The answers of a published version to its test images. Raises DataError when it is not of these images, TrainingError."""
    model = measured_model.of_artifact(folder)
    if set(images.species) != set(model.species):
        raise DataError("the model is of other species than this folder holds")
    ordered = model.in_order(images)
    rows = model.split(ordered).test
    manifest = read_manifest(folder.absolute())
    _, module = torchscript.load(folder)
    explain = None
    if Capability.EXPLAIN in (manifest.capabilities or []):

        def explain(pixels: Tensor, species: Tensor) -> Tensor:
            return saliency.maps(module, pixels, species)  # type: ignore[arg-type]

    source = f"answers of {model.name} ({manifest.size_bytes / 1e6:.1f} MB), computed when this page was built"
    probabilities, distances = model.answers(ordered.pixels[rows])
    limit = manifest.calibration.familiarity
    familiar = torch.ones(len(rows), dtype=torch.bool) if distances is None or limit is None else distances <= limit.limit
    return EvaluatedModel(model.name, source, "test", ordered, rows, probabilities, familiar, model.calibration, explain)


def of_run(folder: Path, images: Images, part: str) -> EvaluatedModel:
    """The answers of a run's best weights to the validation or test images of its split. Raises RunError, DataError."""
    description, network, epoch = run_folder.load_best(folder)
    split = provenance.split_of(images, description, provenance.of_run(folder, description, images).learnt)
    rows = split.rows(part)

    def explain(pixels: Tensor, species: Tensor) -> Tensor:
        inputs = to_float(pixels).contiguous(memory_format=torch.channels_last)
        return saliency.maps(network, inputs, species)

    probabilities = predictions.logits(network, images.pixels[rows]).softmax(1)
    source = f"answers of {folder.name}, the weights of its epoch {epoch}, computed when this page was built"
    familiar = torch.ones(len(rows), dtype=torch.bool)
    return EvaluatedModel(folder.name, source, part, images, rows, probabilities, familiar, None, explain)
