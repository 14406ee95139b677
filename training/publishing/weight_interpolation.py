"""Between the weights that a run began with and those it learnt: as much of the new as loses little of what was known.

Wortsman et al. (2022), *Robust fine-tuning of zero-shot models* (WiSE-FT): weights on the straight line between the two keep most of
what was learnt and forget less. How far to go along it is chosen on validation images, never on test images. Right answers alone are too
coarse for that: half a point of 500 images are 2.5 of them, and chance moves as many from right to wrong. The mean probability of the right
species, each network at its own temperature, varies less, but of a few images it falls with any change. So a loss counts that both show.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from models_store.learnt import FILE as LEARNT
from training.artifact import calibration
from training.atomic_files import write_atomically, write_json
from training.data.images import Images
from training.data.split import Split
from training.evaluation import predictions
from training.fitting import run_folder, warm_start
from training.networks.network import Network
from training.publishing import candidate as candidates
from training.publishing.measured_model import MeasuredModel

SHARES = tuple(tenths / 10 for tenths in range(10, 0, -1))  # of the learnt weights, in the order in which they are tried
MAY_LOSE = 0.005  # of the accuracy on the validation images, or of the mean probability of their right species
FOLDER = "interpolated"  # in the folder of the run, where not all of its weights are taken


class Validated(NamedTuple):
    """What a network answers to the validation images."""

    right: int
    probability: float  # mean, of the right species
    temperature: float = 1.0  # that suits its logits best

    @classmethod
    def of(cls, logits: Tensor, labels: Tensor) -> "Validated":
        """From logits [N,species] and labels int64 [N]; at the temperature that suits them best, as in what is published."""
        temperature = calibration.fit_temperature(logits, labels)
        probabilities = (logits / temperature).softmax(1)
        mean = float(probabilities.gather(1, labels[:, None]).double().mean())
        return cls(int((logits.argmax(1) == labels).sum()), mean, temperature)

    def text(self) -> str:
        """Both, in a few words."""
        return f"{self.right} ({self.probability:.1%})"


@dataclass(frozen=True)
class Interpolation:
    """Which share of the learnt weights was taken, and why."""

    share: float
    n: int  # validation images
    before: Validated  # the version that the run began with
    tried: dict[float, Validated]  # by the share of new weights

    @property
    def temperature(self) -> float:
        """Of the weights that were taken."""
        return self.tried[self.share].temperature

    def text(self) -> str:
        """The share, and what it was chosen by."""
        found = ", ".join(f"{validated.text()} with {share:.0%} new" for share, validated in self.tried.items())
        return (
            f"weights taken: {self.share:.0%} new; of {self.n} validation images (mean probability of the right species)"
            f" {self.before.text()} were right before, {found}"
        )


def choose(n: int, before: Validated, validated: Callable[[float], Validated]) -> Interpolation:
    """Take the largest share that loses at most `MAY_LOSE` beside `before`, of the right answers to `n` images or of their probability.

    Where there is none: the share with the highest probability. `validated` is asked from the largest share on, until one is taken.
    """
    tried: dict[float, Validated] = {}
    for share in SHARES:
        now = tried[share] = validated(share)
        if before.right - now.right <= MAY_LOSE * n or before.probability - now.probability <= MAY_LOSE:
            return Interpolation(share, n, before, tried)
    return Interpolation(max(tried, key=lambda share: tried[share].probability), n, before, tried)


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


def interpolate(folder: Path, images: Images, before: MeasuredModel, parts: Split) -> tuple[Path, Interpolation]:
    """Choose the share of a finished run's weights. Returns the folder of the run that has them, and what was chosen.

    before: the version that the run began with; its species come first in `images`. What was learnt is measured whole: to make each share
    as small as what is published takes most of a minute. parts: as in `candidate.of_run`. Raises RunError, DataError, DiskError,
    TrainingError.
    """
    whole = candidates.of_run(folder, images, parts=parts)
    description = run_folder.read_description(folder)
    start = start_of(whole.network, description.species, description.recipe.start)
    held = images.only(whole.split.validation)

    def validated(share: float) -> Validated:
        return Validated.of(predictions.logits(between(start, whole.network, share), held.pixels), held.labels)

    known = before.probabilities(held.pixels).clamp_min(torch.finfo(torch.float32).tiny)
    chosen = choose(len(held.files), Validated.of(known.log(), held.labels), validated)
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
