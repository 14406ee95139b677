"""Layers that keep what they began with, where photos are too few to teach them anew."""

from torch import nn

from training.networks.network import Network
from training.recipe import Recipe


def freeze(network: Network, recipe: Recipe) -> None:
    """Let the share `recipe.frozen` of the convolutions' layers, from the first on, keep their weights. An optimiser passes them over."""
    for layer in _frozen(network, recipe):
        layer.requires_grad_(False)


def train(model: nn.Module, network: Network, recipe: Recipe) -> None:
    """Put `model`, which holds `network`, into training mode, but for frozen layers, and norms where `recipe.fixed_norms`.

    Those norms go by the statistics of the weights that the run began with. A few photos give worse ones.
    """
    model.train()
    for layer in _frozen(network, recipe):
        layer.eval()
    if recipe.fixed_norms:
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()


def _frozen(network: Network, recipe: Recipe) -> nn.Sequential:
    return network.convolutions[: round(recipe.frozen * len(network.convolutions))]
