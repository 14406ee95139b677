"""What is measured: a run's best weights or a published artifact, behind one interface."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from models_store.artifact import Answer
from models_store.manifest import Calibration, Species
from training.artifact import torchscript
from training.data import species
from training.data.images import Images
from training.data.split import Split
from training.errors import DataError
from training.evaluation import predictions
from training.fitting import provenance, run_folder
from training.fitting.provenance import Provenance
from training.fitting.run_identity import Identity


@dataclass(frozen=True)
class MeasuredModel:
    """A trained network and the split that it was trained on."""

    name: str
    identity: Identity  # of the run that made it
    provenance: Callable[[Images], Provenance]  # what it has learnt from; given images that may be those of its training
    described: list[Species]  # in the order of its answers
    answers: Callable[[Tensor], Answer[Tensor]]  # to uint8 [N,3,150,150]
    calibration: Calibration | None = None  # of an artifact
    module: nn.Module | None = None  # of an artifact

    @property
    def species(self) -> list[str]:
        """In the order of its answers."""
        return self.identity.species

    def probabilities(self, pixels: Tensor) -> Tensor:
        """uint8 [N,3,150,150] → float32 [N,species]."""
        return self.answers(pixels).probabilities

    def in_order(self, images: Images) -> Images:
        """The images with labels counted in the order of its answers. Raises DataError for a species it does not know."""
        if unknown := [name for name in images.species if name not in self.species]:
            raise DataError(f"the model does not know the species {', '.join(unknown)}; it knows {', '.join(self.species)}")
        position = torch.tensor([self.species.index(name) for name in images.species])
        return Images(self.species, images.files, images.pixels, position[images.labels], images.digests)

    def split(self, images: Images) -> Split:
        """The split of its training, of images that are `in_order`. Raises DataError when these are not the images of the training."""
        return provenance.split_of(images, self.identity, self.provenance(images).learnt)


def of(run: Path | None, artifact: Path | None) -> MeasuredModel:
    """The published version in folder `artifact` where one is given, else the run. Raises RunError, TrainingError naming the file."""
    if artifact is not None:
        return of_artifact(artifact)
    if run is None:
        raise ValueError("nothing is named")
    return of_run(run)


def of_run(folder: Path, temperature: float = 1.0) -> MeasuredModel:
    """The best weights of a run, whose logits are divided by a temperature. Raises RunError."""
    description, network, _ = run_folder.load_best(folder)
    return MeasuredModel(
        description.name,
        description,
        lambda images: provenance.of_run(folder, description, images),
        species.describe(description.species),
        lambda pixels: Answer((predictions.logits(network, pixels) / temperature).softmax(1), None),
    )


def of_artifact(folder: Path) -> MeasuredModel:
    """A published version. Raises TrainingError naming the file."""
    manifest, module = torchscript.load(folder)
    return MeasuredModel(
        f"{manifest.name}/{manifest.version}",
        Identity.of_manifest(manifest),
        lambda images: provenance.of_version(folder, images),
        manifest.species,
        lambda pixels: predictions.answers(module, pixels),
        manifest.calibration,
        module,
    )
