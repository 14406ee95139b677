"""A run's best weights in the form in which they are published: compact if wanted, exported, with what they have learnt from."""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from models_store.learnt import FILE as LEARNT
from models_store.manifest import Compact, Figures, Species
from training.artifact import compression, formats, torchscript
from training.artifact.ood_distance import Distance
from training.data import split as splitting
from training.data.images import Images
from training.data.split import Split
from training.errors import RunError
from training.evaluation import predictions
from training.fitting import provenance, run_folder
from training.fitting.provenance import Provenance
from training.fitting.run_identity import Identity
from training.networks.network import Network
from training.publishing.measured_model import MeasuredModel

Storage = Literal["float32", "float16", "int8"]
Rank = int | Literal["usual"] | None
USUAL_RANK = 64


@dataclass(frozen=True)
class Candidate:
    """What may be published of a run."""

    identity: Identity  # its counts of images are those of `split`
    epoch: int
    network: Network  # whole
    served: Network  # compact where that was asked for, else `network`
    rank: int | None
    storage: Storage
    origin: Provenance
    split: Split  # of a run that learnt from all images: `train` holds them all

    def compact(self, full_figures: Figures) -> Compact | None:
        """What the manifest says of the smaller form; None where there is none."""
        if self.served is self.network:
            return None
        return Compact(rank=self.rank, storage=self.storage, parameters=_numbers(self.served), full_figures=full_figures)


@dataclass(frozen=True)
class AssembledFiles:
    """The files of a version, and the model in them."""

    model: bytes
    beside: dict[str, bytes]
    module: nn.Module
    measured: MeasuredModel


def of_run(folder: Path, images: Images, rank: Rank = None, storage: Storage = "float32", parts: Split | None = None) -> Candidate:
    """The best weights of a run. `parts` is the split of one whose images are more than its recipe splits.

    With `rank` the largest dense layer is factored to that rank; "usual" is `USUAL_RANK` where that saves weights, and no factors where
    it does not. Raises RunError, DataError.
    """
    description, network, epoch = run_folder.load_best(folder)
    origin = provenance.of_run(folder, description, images)
    if description.all_images:
        whole = splitting.of_training(images, description.recipe, description.split_digest)
        split = replace(whole, train=whole.rows("all"), validation=[], test=[])
    elif parts is None:
        split = provenance.split_of(images, description, origin.learnt)
    else:
        split = provenance.held_out(images, parts, description.recipe.split, origin.learnt)
    identity = description.identity(images=split.counts(), left_out=split.left_out, unknown_origins=[*origin.unknown])
    if rank == "usual":
        rank = USUAL_RANK if compression.saves(network, USUAL_RANK) else None
    return Candidate(identity, epoch, network, compact(network, rank, storage), rank, storage, origin, split)


def compact(network: Network, rank: int | None, storage: Storage) -> Network:
    """The network in the form that is published: itself where nothing is asked for. Raises RunError."""
    try:
        factored = network if rank is None else compression.factorize(network, rank)
    except ValueError as error:
        raise RunError(f"--{error}; give one of these, or only --storage") from None
    return factored if storage == "float32" else compression.STORAGES[storage](factored)


def assemble(
    candidate: Candidate,
    temperature: float,
    distance: Distance | None,
    forms: tuple[formats.Format, ...],
    compared: Tensor,
    described: list[Species],
) -> AssembledFiles:
    """Export it with its temperature and distance; `forms` are compared with TorchScript on pictures uint8 [N,3,S,S]. Raises RunError."""
    served, origin = candidate.served, candidate.origin
    model = torchscript.to_torchscript(served, temperature, distance)
    module = torchscript.open_module(io.BytesIO(model))
    beside = {LEARNT: origin.learnt.to_bytes()} | formats.files(forms, served, temperature, distance, module, compared)
    measured = MeasuredModel(
        candidate.identity.name,
        candidate.identity,
        lambda _: origin,
        described,
        lambda pixels: predictions.answers(module, pixels),
        module=module,
    )
    return AssembledFiles(model, beside, module, measured)


def _numbers(network: nn.Module) -> int:
    """Weights, biases and norms of a network whose weights may be stored as buffers."""
    running = ("running_mean", "running_var", "num_batches_tracked", "scale")
    return sum(tensor.numel() for name, tensor in network.state_dict().items() if not name.endswith(running))
