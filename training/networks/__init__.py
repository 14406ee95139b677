"""The networks a recipe can name. Each gives logits, never probabilities: the softmax lives in the exported model."""

from collections.abc import Callable

from torch import nn

from training.networks.alexnet import alexnet
from training.networks.efficientnet_lite import efficientnet_lite0, efficientnet_lite1, efficientnet_lite2
from training.networks.lenet import lenet
from training.networks.network import Network
from training.networks.plant_view import Segmenter, with_plant_view
from training.networks.report_alexnet import base, dropout
from training.networks.resnet import resnet

NETWORKS: dict[str, Callable[[int], Network]] = {
    "base": base,
    "dropout": dropout,
    "lenet": lenet,
    "alexnet": alexnet,
    "resnet": resnet,
    "efficientnet-lite0": efficientnet_lite0,
    "efficientnet-lite1": efficientnet_lite1,
    "efficientnet-lite2": efficientnet_lite2,
}


def build(name: str, species: int, plant_view: str = "off") -> Network:
    """A new network with fresh weights and `species` outputs. Raises KeyError for an unknown name.

    `plant_view`: "light", "alone" or "gated" puts one in front of it, "off" none.
    """
    network = NETWORKS[name](species)
    return network if plant_view == "off" else with_plant_view(network, Segmenter(), plant_view)


def parameters(network: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def halfway(network: Network) -> int:
    """How many of the convolutions' layers it takes to the middle one of their ReLUs; all, where there is none.

    There an image is described by its textures, no longer by its colours alone and not yet by its species.
    """
    rectified = [count for count, layer in enumerate(network.convolutions, 1) if isinstance(layer, nn.ReLU)]
    return rectified[len(rectified) // 2] if rectified else len(network.convolutions)
