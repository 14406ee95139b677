"""The network inside a published version, as the modules that it was exported from. It is put into other formats from these."""

import operator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models_store.manifest import Manifest
from training import networks
from training.artifact import compression
from training.artifact.ood_distance import Distance
from training.artifact.torchscript import AFAR, MULTIPLE, ExportedSegmenter
from training.errors import RunError
from training.networks.network import Network
from training.networks.photo_segmenter import PhotoSegmenter


def network_of(manifest: Manifest, module: nn.Module) -> Network:
    """The network in the module of a `model.pt`, compact as it was published, with its weights. Raises RunError."""
    training, compact = manifest.training, manifest.compact
    try:
        with torch.device("meta"):  # shapes alone: the factors of random weights would take long and be thrown away
            network = networks.build(training.network, len(manifest.species), training.recipe.get("plant_view", "off"))
            if compact is not None and compact.rank is not None:
                network = compression.factorize(network, compact.rank)
            if compact is not None and compact.storage != "float32":
                network = compression.STORAGES[compact.storage](network)
        _give_weights(network, module)
    except (KeyError, ValueError, AttributeError, RuntimeError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        text = f"{manifest.name}/{manifest.version} is not of a network that its manifest and this release name ({why})"
        raise RunError(f"{text}; export its run anew with --format") from error
    return network.eval()


def distance_of(module: nn.Module) -> Distance | None:
    """The distance in the module of a `model.pt`; None where it has none."""
    measure = getattr(module, "measure", None)
    if measure is None:
        return None
    state: dict[str, Tensor] = measure.state_dict()
    if "mean" in state:  # of a release that knew one group of images
        return Distance.of(state["mean"][None], state["whitening"][None], torch.ones(1))
    return Distance.of(state["means"], state["whitenings"], state["scales"])


class Mirrored(nn.Module):
    """A segmenter as it was exported before: it answers with the mean of what it says of a photo and of its mirror images.

    Its 2 `views` are the photo and the one mirrored from left to right; 4 are these two upside down, too.
    """

    def __init__(self, network: PhotoSegmenter, views: int) -> None:
        super().__init__()
        self.network, self.views = network, views

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities of plant and of centres: uint8 [N,3,H,W] → float32 [N,H,W], [N,H/4,W/4], [N,H/16,W/16]."""
        pixels = images.to(torch.float32) / 255
        seen = torch.cat([pixels, pixels.flip(3)])
        if self.views > 2:
            seen = torch.cat([seen, seen.flip(2)])
        plant, near = self.network(seen)
        _, afar = self.network(F.avg_pool2d(seen, AFAR))
        return self._mean(plant), self._mean(near), self._mean(afar)

    def _mean(self, logits: Tensor) -> Tensor:
        said = logits.sigmoid().reshape(self.views, -1, logits.shape[2], logits.shape[3])
        total = said[0] + said[1].flip(2)
        if self.views > 2:
            total = total + (said[2].flip(1) + said[3].flip([1, 2]))
        return total / self.views


def segmenter_of(module: nn.Module) -> nn.Module:
    """The segmenter in the module of a `model.pt`, with the same `forward`. Raises RunError.

    Nothing tells how it looks at mirror images, which changed between releases, so its answers do.
    """
    network = PhotoSegmenter()
    photo = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, MULTIPLE, MULTIPLE), np.uint8))
    try:
        _give_weights(network, module)
        with torch.no_grad():
            known = [segmenter.eval() for segmenter in (ExportedSegmenter(network), Mirrored(network, 4), Mirrored(network, 2))]
            return min(known, key=lambda segmenter: float((segmenter(photo)[0] - module(photo)[0]).abs().max()))
    except (AttributeError, RuntimeError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise RunError(f"the segmenter is not of the network that this release knows ({why}); export its weights anew") from error


def _give_weights(network: nn.Module, module: nn.Module) -> None:
    # TorchScript keeps what may be None, as the scale of a compact layer, beside the buffers: so each is asked for by its name.
    saved = {name: operator.attrgetter(f"network.{name}")(module) for name in network.state_dict()}
    network.load_state_dict(saved, assign=True)
