"""Where in an image a network saw what spoke for its answer, and how much of that is plant."""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from training.data.tensors import plants

_SMALLEST = 1e-12  # an image on which nothing speaks for a species has a saliency of 0, not 0/0


class FeatureClassifier(Protocol):
    """A network, or the module of an artifact: logits are `classify(features(images))`."""

    def features(self, images: Tensor) -> Tensor:
        """[N,3,S,S] → float [N,C,h,w]."""

    def classify(self, features: Tensor) -> Tensor:
        """[N,C,h,w] → float [N,species]."""


def maps(network: FeatureClassifier, inputs: Tensor, species: Tensor) -> Tensor:
    """Where the last convolution spoke for `species`, int64 [N]: inputs [N,3,S,S] as the network takes them → float [N,h,w], 0–1.

    Grad-CAM with each activation weighted by its own gradient (HiResCAM, Draelos & Carin 2020), as the service's `/explain` has it.
    """
    with torch.no_grad():
        features = network.features(inputs)  # [N,C,h,w]
    with torch.enable_grad():
        features = features.float().detach().requires_grad_()
        chosen = network.classify(features).gather(1, species[:, None]).sum()
        (gradient,) = torch.autograd.grad(chosen, features)
    found = (gradient * features.detach()).sum(1).relu()  # [N,h,w]
    return found / found.amax((1, 2), keepdim=True).clamp(min=_SMALLEST)


def enlarged(found: Tensor, side: int) -> Tensor:
    """Maps [N,h,w] → [N,side,side]."""
    return F.interpolate(found[:, None], (side, side), mode="bilinear", align_corners=False)[:, 0]


def on_plant(found: Tensor, images: Tensor) -> tuple[float, float]:
    """The share of the saliency [N,h,w] that lies on what is green, and the share of the images, float [N,3,S,S] in 0–1, that is.

    A network that goes by plants has far more on them than chance, which is their share of the picture. Images without saliency
    do not count.
    """
    green = plants(images)[:, 0]  # [N,S,S]
    heat = enlarged(found, images.shape[2])
    total = heat.sum((1, 2))
    seen = total > 0
    if not bool(seen.any()):
        return 0.0, float(green.mean())
    return float(((heat * green).sum((1, 2))[seen] / total[seen]).mean()), float(green.mean())
