"""The network inside a published version, as the modules that it was exported from. It is put into other formats from these."""

import operator

import torch
from torch import Tensor, nn

from models_store.manifest import Manifest
from training import networks
from training.artifact import compression
from training.artifact.ood_distance import Distance
from training.artifact.torchscript import ExportedSegmenter, exported_segmenter
from training.errors import RunError
from training.networks.clump_classifier import ClumpClassifier
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


def segmenter_of(module: nn.Module) -> ExportedSegmenter:
    """The segmenter in the module of a `model.pt`, its weights in float32. Raises RunError."""
    network = PhotoSegmenter()
    clumps = ClumpClassifier() if hasattr(module, "clumps") else None
    try:
        _give_weights(network, module)
        if clumps is not None:
            _give_weights(clumps, module, "clumps")
    except (AttributeError, RuntimeError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise RunError(f"the segmenter is not of the network that this release knows ({why}); fit its weights anew") from error
    return exported_segmenter(network.float(), None if clumps is None else clumps.float()).eval()


def _give_weights(network: nn.Module, module: nn.Module, within: str = "network") -> None:
    # TorchScript keeps what may be None, as the scale of a compact layer, beside the buffers: so each is asked for by its name.
    saved = {name: operator.attrgetter(f"{within}.{name}")(module) for name in network.state_dict()}
    network.load_state_dict(saved, assign=True)
