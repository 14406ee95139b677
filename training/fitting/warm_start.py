"""Weights to start from: those of a published version, in place of random ones."""

import torch
from torch import Tensor, nn

from models_store import store
from models_store.manifest import Manifest
from training.artifact import torchscript
from training.errors import RunError, TrainingError
from training.fitting import imagenet
from training.networks.network import Network
from training.networks.plant_view import view_of

_Layer = dict[str, Tensor]  # "weight", "bias", "running_mean" … of one layer


def set_weights(network: Network, species: list[str], start: str) -> Manifest:
    """Give `network` the weights of version `start`; returns that version's manifest.

    `start` is the folder of a published version, or `name/version` of the models that come with the project. Compact
    versions do: what was factored is multiplied out. Outputs are matched by the names of `species`; one that the version
    does not know keeps its fresh weights. Raises RunError when the layers do not fit, TrainingError naming the file.
    """
    manifest, module = torchscript.load(store.named_version(start))
    known = [one.name for one in manifest.species]
    layers = _multiplied_out(_layers(getattr(module, "network", module)))  # not what an artifact has beside its network
    targets = [layer for layer in network.modules() if not list(layer.children()) and layer.state_dict()]
    view = view_of(network)
    if view is not None and len(layers) < len(targets):  # the version saw whole photos
        of_view = set(view.modules())
        targets = [layer for layer in targets if layer not in of_view]
    if len(layers) != len(targets):
        raise RunError(f"start = {start!r}: it has {len(layers)} layers with weights and the recipe's network {len(targets)}")
    for given, layer in zip(layers, targets, strict=True):
        try:
            layer.load_state_dict(_in_order(given, layer, known, species) if layer is targets[-1] else given)
        except RuntimeError as error:
            raise RunError(f"start = {start!r} does not fit the recipe's network: {str(error).splitlines()[-1].strip()}") from None
    return manifest


def brings_plant_view(start: str) -> bool:
    """Whether what a recipe starts from is a version with a plant view, whose segmenter goes on too. Raises TrainingError."""
    if start in ("", imagenet.START):
        return False
    return str(_manifest(start).training.recipe.get("plant_view", "off")) != "off"


def reference_of(start: str) -> str:
    """How records call the version that a recipe starts from: `name/version@digest`, by its weights. Raises TrainingError."""
    manifest = _manifest(start)
    return f"{manifest.name}/{manifest.version}@{manifest.sha256[:12]}"


def _manifest(start: str) -> Manifest:
    try:
        return store.read_manifest(store.named_version(start).absolute())
    except store.StoreError as error:
        raise TrainingError(f"start = {start!r}: {error}") from None


def _layers(module: nn.Module) -> list[_Layer]:
    """The tensors of each layer, in the order of the forward pass, weights in float32."""
    layers = []
    for layer in module.modules():
        if list(layer.children()) or not (parts := dict(layer.state_dict())):
            continue
        # TorchScript keeps what may be None, as in a compact layer, beside the buffers.
        parts |= {part: tensor for part in ("bias", "scale") if isinstance(tensor := getattr(layer, part, None), Tensor)}
        scale = parts.pop("scale", None)
        if "weight" in parts:  # a norm may have none
            parts["weight"] = parts["weight"].float() if scale is None else parts["weight"].float() * scale
        layers.append(parts)
    return layers


def _multiplied_out(layers: list[_Layer]) -> list[_Layer]:
    """Layers with each pair of factors, [rank,in] without a bias and [out,rank], as the one layer [out,in] they stand for."""
    whole: list[_Layer] = []
    for layer in layers:
        if whole and "bias" not in whole[-1] and _is_dense(whole[-1]) and _is_dense(layer):
            layer = layer | {"weight": layer["weight"] @ whole.pop()["weight"]}  # [out,rank] · [rank,in]
        whole.append(layer)
    return whole


def _is_dense(layer: _Layer) -> bool:
    return "weight" in layer and layer["weight"].ndim == 2


def _in_order(given: _Layer, output: nn.Module, known: list[str], species: list[str]) -> _Layer:
    """The last layer, [species,in] and [species], with its rows in the order of `species`."""
    rows = [known.index(name) if name in known else None for name in species]
    return {
        part: torch.stack([fresh[at] if row is None else given[part][row] for at, row in enumerate(rows)])
        for part, fresh in output.state_dict().items()
    }
