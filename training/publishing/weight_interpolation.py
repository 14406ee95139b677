"""Between the weights that a run began with and those it learnt: as much of the new as loses little of what was known.

Wortsman et al. (2022), *Robust fine-tuning of zero-shot models* (WiSE-FT): weights on the straight line between the two keep most of
what was learnt and forget less. How far to go along it is chosen on validation images, never on test images.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from models_store.learnt import FILE as LEARNT
from training.atomic_files import write_atomically, write_json
from training.data.images import Images
from training.data.split import Split
from training.evaluation import predictions
from training.fitting import run_folder, warm_start
from training.networks.network import Network
from training.publishing import candidate as candidates
from training.publishing.candidate import Rank, Storage
from training.publishing.measured_model import MeasuredModel

SHARES = (1.0, 0.75, 0.5, 0.25)  # of the learnt weights, in the order in which they are tried
MAY_LOSE = 0.005  # of the accuracy on the validation images
FOLDER = "interpolated"  # in the folder of the run, where not all of its weights are taken


@dataclass(frozen=True)
class Interpolation:
    """Which share of the learnt weights was taken, and why."""

    share: float
    n: int  # validation images
    before: int  # of these right with the version that the run began with
    tried: dict[float, int]  # share → right

    def text(self) -> str:
        """The share, and what it was chosen by."""
        found = ", ".join(f"{right} with {share:.0%} new" for share, right in self.tried.items())
        return f"weights taken: {self.share:.0%} new; of {self.n} validation images {self.before} were right before, {found}"


def choose(n: int, before: int, right: Callable[[float], int]) -> Interpolation:
    """Take the largest share whose right answers to `n` validation images are at most `MAY_LOSE` of these fewer than `before`.

    Where there is none: the share with the most right answers, the largest of these. `right` is asked from the largest share on, until
    one is taken.
    """
    tried: dict[float, int] = {}
    for share in SHARES:
        tried[share] = right(share)
        if before - tried[share] <= MAY_LOSE * n:
            return Interpolation(share, n, before, tried)
    return Interpolation(max(tried, key=lambda share: tried[share]), n, before, tried)


def start_of(learnt: Network, species: list[str], start: str) -> Network:
    """The network as its run began, from version `start`. Outputs for species that this does not know are those of `learnt`.

    Raises RunError, TrainingError.
    """
    network = copy.deepcopy(learnt)
    warm_start.set_weights(network, species, start)
    return network.eval()


@torch.no_grad()
def between(start: Network, learnt: Network, share: float) -> Network:
    """A network with `share` of the learnt weights and the rest of those it started from; statistics of norms likewise."""
    network = copy.deepcopy(learnt)
    for tensor, begun in zip(network.state_dict().values(), start.state_dict().values(), strict=True):
        if tensor.is_floating_point():  # not a norm's count of batches
            tensor.lerp_(begun, 1 - share)
    return network


def interpolate(
    folder: Path, images: Images, before: MeasuredModel, rank: Rank, storage: Storage, parts: Split
) -> tuple[Path, Interpolation]:
    """Choose the share of a finished run's weights. Returns the folder of the run that has them, and what was chosen.

    before: the version that the run began with; its species come first in `images`. Both are measured in the form in which they are
    published. rank, storage, parts: as in `candidate.of_run`. Raises RunError, DataError, DiskError, TrainingError.
    """
    whole = candidates.of_run(folder, images, rank, storage, parts)
    description = run_folder.read_description(folder)
    start = start_of(whole.network, description.species, description.recipe.start)
    held = images.only(whole.split.validation)

    def right(share: float) -> int:
        served = whole.served if share == 1 else candidates.compact(between(start, whole.network, share), whole.rank, storage)
        return int((predictions.logits(served, held.pixels).argmax(1) == held.labels).sum())

    right_before = int((before.probabilities(held.pixels).argmax(1) == held.labels).sum())
    chosen = choose(len(held.files), right_before, right)
    if chosen.share == 1:
        return folder, chosen
    mixed = folder / FOLDER
    run_folder.remove_leftovers_in(mixed)
    write_atomically(mixed / LEARNT, lambda stream: stream.write((folder / LEARNT).read_bytes()))
    network = between(start, whole.network, chosen.share)
    run_folder.save_weights(mixed / run_folder.BEST, {"epoch": whole.epoch, "network": network.state_dict()})
    described = description.model_copy(update={"new_weights_share": chosen.share})
    write_json(mixed / run_folder.DESCRIPTION, described.model_dump(mode="json"))
    return mixed, chosen
