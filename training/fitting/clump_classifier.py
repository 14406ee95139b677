"""The classifier of clumps: learnt on what a segmenter finds on composed pictures, where it is known how many plants each part holds."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor

from models_store import clumps
from models_store.manifest import ClumpFigures
from models_store.plants import Plant
from training.data.tensors import to_float
from training.errors import DataError
from training.fitting import ema
from training.fitting.augmentation.camera import photograph, uniform
from training.fitting.augmentation.many_plants import compose_many
from training.fitting.photo_segmenter import CAMERA
from training.networks import parameters
from training.networks.clump_classifier import ClumpClassifier

Pixels = NDArray[np.uint8]
Find = Callable[[Pixels], tuple[Pixels, list[Plant]]]  # photo uint8 [3,H,W] → the photo at the size of its map, and its parts
_COMPOSED = 8  # pictures at a time
_ALONE, _ALONE_SIDES = 2, (100, 400)  # of so many times one shows an image as it is: a single plant; pixels of its side
# Of a part's pixels that are plant: it holds one where the second plant has less than the first share, several from the second share on,
# of so many pixels, and of so much of what is seen of that plant. What lies between, and what is hardly plant, teaches nothing.
_ONE, _SEVERAL, _SEEN_PX, _SEEN_SHARE, _PLANT_SHARE = 0.05, 0.12, 15, 0.3, 0.5
BATCH = 128  # parts of a step
_RATE, _DECAY, _AVERAGE, _SMOOTHED = 3e-3, 0.02, 0.995, 0.05
_LOGGED = 100  # times that pictures are composed, between two lines of the log


@dataclass(frozen=True)
class Parts:
    """Parts of which it is known what they hold."""

    crops: Tensor  # uint8 [P,4,S,S], as `models_store.clumps` makes them
    several: Tensor  # bool [P]; else one plant


@dataclass(frozen=True)
class ClumpPlan:
    """What a training is told."""

    pictures: int  # composed ones
    epochs: int = 36
    seed: int = 0


def parts(pixels: Tensor, find: Find, pictures: int, seed: int, log: Callable[[str], None] = lambda _: None) -> Parts:
    """The parts that a segmenter finds on pictures composed of plants, uint8 [N,3,s,s], and on some of these images as they are.

    All parts of such an image count as single plants. Raises DataError where there are none of these, or none of several.
    """
    crops, several = [], []
    began = time.monotonic()
    for turn in range(max(1, pictures // _COMPOSED)):
        random = Generator().manual_seed(seed * 100_003 + turn)
        chosen = torch.randint(len(pixels), (_COMPOSED,), generator=random)
        scenes = compose_many(to_float(pixels[chosen]), None, random)
        images = photograph(scenes.images, CAMERA, random).mul(255).to(torch.uint8).numpy()
        masks = torch.stack(scenes.plants)[:, :, 0].numpy() > 0.5  # [K,N,S,S]
        for number in np.flatnonzero(scenes.known.numpy()):
            scaled, found = find(np.ascontiguousarray(images[number]))
            holds = _holds(found, scaled.shape[1:], masks[:, number])
            crops.append(clumps.crops(scaled, found)[holds >= 0])
            several.append(holds[holds >= 0])
        if turn % _ALONE == 0:
            side = int(uniform(1, *_ALONE_SIDES, random))
            alone = F.interpolate(to_float(pixels[chosen[:1]]), (side, side), mode="bilinear", antialias=True)[0]
            scaled, found = find(np.ascontiguousarray(alone.mul(255).to(torch.uint8).numpy()))
            crops.append(clumps.crops(scaled, found))
            several.append(np.zeros(len(found), np.int64))
        if (turn + 1) % _LOGGED == 0:
            log(f"{(turn + 1) * _COMPOSED} of {pictures} pictures: {sum(map(len, crops))} parts, {time.monotonic() - began:.0f} s")
    made = Parts(torch.from_numpy(np.concatenate(crops)), torch.from_numpy(np.concatenate(several)) > 0)
    if made.several.all() or not made.several.any():
        raise DataError(
            f"on {pictures} pictures the segmenter finds no parts of single plants, or none of several; name more in --pictures,"
            " or train it for longer"
        )
    return made


def _holds(found: Sequence[Plant], size: tuple[int, ...], masks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """What parts on a map of [h,w] hold of plants with masks [K,S,S]: 0 one, 1 several, -1 unclear or no plant; [P]."""
    owner = np.zeros(size, np.int64)
    for number, plant in enumerate(found, 1):
        owner[plant.top : plant.top + plant.height, plant.left : plant.left + plant.width][plant.mask] = number
    rows, columns = ((np.arange(masks.shape[1]) + 0.5) * length / masks.shape[1] for length in size)
    owner = owner[rows.astype(int)][:, columns.astype(int)]  # [S,S]
    held = np.stack([np.bincount(owner[mask], minlength=len(found) + 1)[1:] for mask in masks])  # [K,P]
    areas = np.bincount(owner.ravel(), minlength=len(found) + 1)[1:]
    order = np.argsort(-held, axis=0, kind="stable")
    second = np.take_along_axis(held, order, 0)[1]
    seen = masks.sum((1, 2))[order[1]]
    plant = held.sum(0)
    share = second / np.maximum(1, plant)
    told = np.full(len(found), -1)
    known = plant > _PLANT_SHARE * areas
    told[known & (share < _ONE)] = 0
    told[known & (share >= _SEVERAL) & (second >= _SEEN_PX) & (second >= _SEEN_SHARE * seen)] = 1
    return told


def train(learnt: Parts, plan: ClumpPlan, log: Callable[[str], None] = lambda _: None) -> ClumpClassifier:
    """Train on parts. The rate is highest after a third of the steps; weights are averaged over about 200 steps."""
    torch.manual_seed(plan.seed)
    random = Generator().manual_seed(plan.seed)
    network = ClumpClassifier().train()
    averaged = ema.averaged(network, _AVERAGE)
    optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    steps = max(1, len(learnt.crops) // BATCH)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps * plan.epochs + 1)
    rarer = ((~learnt.several).sum() / learnt.several.sum()).sqrt()  # weight of parts that hold several, as there are fewer
    for epoch in range(plan.epochs):
        order, total = torch.randperm(len(learnt.crops), generator=random), 0.0
        for rows in torch.split(order[: steps * BATCH], BATCH):
            targets = learnt.several[rows].float() * (1 - _SMOOTHED) + _SMOOTHED / 2
            loss = F.binary_cross_entropy_with_logits(network(_varied(to_float(learnt.crops[rows]), random)), targets, pos_weight=rarer)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            rates.step()
            averaged.update_parameters(network)
            total += float(loss.detach())
        log(f"epoch {epoch + 1} of {plan.epochs}: loss {total / steps:.4f}")
    trained: ClumpClassifier = averaged.module.eval()  # type: ignore[assignment]
    return trained


def _varied(crops: Tensor, random: Generator) -> Tensor:
    """Crops turned, mirrored and in other light, with noise; their masks as they are: float [P,4,S,S] → the same shape."""
    n = len(crops)
    crops = torch.rot90(crops, int(torch.randint(4, (), generator=random)), (2, 3))
    if torch.randint(2, (), generator=random):
        crops = crops.flip(3)
    light = 1 + 0.25 * torch.randn(n, 1, 1, 1, generator=random)
    tint = 1 + 0.1 * torch.randn(n, 3, 1, 1, generator=random)
    noise = 0.02 * torch.rand(n, 1, 1, 1, generator=random) * torch.randn(n, 3, *crops.shape[2:], generator=random)
    return torch.cat([crops[:, :3] * light.clamp(0.4, 2) * tint + noise, crops[:, 3:]], 1)


def figures(classifier: Callable[[Tensor], Tensor], network: ClumpClassifier, held: Parts, plan: ClumpPlan, limit: float) -> ClumpFigures:
    """How well a network tells parts apart as it is exported, several plants from a probability of `limit` on.

    classifier: uint8 [P,4,S,S] → probabilities float [P].
    """
    with torch.inference_mode():
        called = torch.cat([classifier(crops) for crops in torch.split(held.crops, BATCH)]) >= limit
    several = held.several
    return ClumpFigures(
        parameters=parameters(network),
        pictures=plan.pictures,
        epochs=plan.epochs,
        seed=plan.seed,
        several=int(several.sum()),
        passed=int((several & ~called).sum()),
        single=int((~several).sum()),
        called=int((~several & called).sum()),
    )
