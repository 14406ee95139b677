"""The plant view's segmenter: learnt on composed pictures, whose masks are known, and on photos with masks where there are some.

When its masks stand, it learns to tell the background of the training images from any other (`known_background`).
"""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from models_store.learnt import Learnt
from training.data.masked_photos import MaskedSquares
from training.data.tensors import cut_out, to_float
from training.errors import RunError
from training.fitting import ema, known_background, run_folder
from training.fitting.augmentation.background_replacement import compose, placed
from training.fitting.augmentation.camera import photograph
from training.fitting.step_checkpoint import StepCheckpoint
from training.networks.plant_view import Segmenter
from training.recipe import Camera, FieldScenes

BATCH = 48
_RATE, _WARMUP, _DECAY = 3e-3, 50, 0.01
_AVERAGE = 0.99
_MASKED = 0.25  # share of a batch that is photos with masks, where there are some
_FIELD = FieldScenes(share=0.75, others=0.2, photos=0.2, looks=0.5)
_CAMERA = Camera(share=0.85, light=(0.28, 2.2))
CHECKPOINT_STEPS = 100  # between two checkpoints


def train(
    pixels: Tensor,
    validation: Tensor,
    backgrounds: Tensor | None,
    masked: Sequence[MaskedSquares],
    steps: int,
    seed: int,
    out: Path,
    learnt: Learnt | None = None,
) -> Segmenter:
    """Train a segmenter on plants, uint8 [N,3,S,S] in the data set's own light, and write its weights to `out`.

    validation: images like them, by which the gate is set. backgrounds: squares of photos to set plants on, or None. learnt: what
    the file is to say of the images that the plants are from. What was interrupted goes on from its last checkpoint, beside `out`,
    and ends as if it had not been: each step draws from (seed, step). Raises DiskError, RunError for another's checkpoint.
    """
    torch.manual_seed(seed)
    network = Segmenter().to(memory_format=torch.channels_last)
    averaged = ema.averaged(network, _AVERAGE)
    optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    photos = "" if learnt is None else hashlib.sha256(learnt.to_bytes()).hexdigest()[:12]
    checkpoint = StepCheckpoint(out, {"steps": steps, "seed": seed, "photos": photos}, network, averaged, optimizer)
    first = checkpoint.resume()
    for step in tqdm(range(first, steps), "segmenter", initial=first, total=steps, leave=False, disable=None):
        random = torch.Generator().manual_seed(seed * 1_000_003 + step)
        images, plants = _batch(pixels, backgrounds, masked, random)
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1, (step + 1) / _WARMUP) * 0.5 * (1 + math.cos(math.pi * step / steps))
        network.train()
        loss = mask_loss(network(images.contiguous(memory_format=torch.channels_last)), plants)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        averaged.update_parameters(network)
        if (step + 1) % CHECKPOINT_STEPS == 0:
            checkpoint.save(step + 1)
    segmenter: Segmenter = averaged.module.eval()  # type: ignore[assignment]
    known_background.fit(segmenter, pixels, validation, backgrounds, seed)
    records = {} if learnt is None else {"learnt": torch.from_numpy(learnt.records.view(np.int64))}
    run_folder.save_weights(out, {"segmenter": segmenter.state_dict(), **records})
    checkpoint.remove()
    return segmenter


def load(file: Path) -> Segmenter:
    """A segmenter that `train` wrote. Raises RunError."""
    if not file.is_file():
        raise RunError(f"{file} is no segmenter; make one with 'python -m training segmenter'")
    segmenter = Segmenter()
    try:
        segmenter.load_state_dict(run_folder.load_weights(file)["segmenter"])
    except (KeyError, RuntimeError):
        raise RunError(f"{file} holds no segmenter of this form; make one with 'python -m training segmenter'") from None
    return segmenter.eval()


def learnt(file: Path) -> Learnt | None:
    """The images that a segmenter has learnt from; None where its file does not say it. Raises RunError."""
    records = run_folder.load_weights(file).get("learnt")
    return None if records is None else Learnt(records.numpy().view(np.uint64))


def mask_loss(logits: Tensor, plants: Tensor) -> Tensor:
    """Cross-entropy in which plants count three times, and Dice's measure for each image: [N,1,S,S], [N,1,S,S] → scalar.

    Dice: Milletari et al. (2016), *V-Net*; it counts a thin leaf as much as a wide one. Softened by 30 pixels.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, plants, reduction="none") * (1 + 2 * plants)
    found = logits.sigmoid()
    both, either = (found * plants).sum((1, 2, 3)), found.sum((1, 2, 3)) + plants.sum((1, 2, 3))
    return entropy.mean() + 0.3 * (1 - (2 * both + 30) / (either + 30)).mean()


@torch.no_grad()
def iou(segmenter: Segmenter, masked: MaskedSquares) -> float:
    """Intersection over union of the plants, over all pixels of all squares."""
    both = either = 0
    for images, plants in zip(torch.split(masked.pixels, BATCH), torch.split(masked.plants, BATCH), strict=True):
        found, drawn = segmenter(to_float(images)) > 0, to_float(plants) > 0.5
        both, either = both + int((found & drawn).sum()), either + int((found | drawn).sum())
    return both / max(1, either)


def _batch(pixels: Tensor, backgrounds: Tensor | None, masked: Sequence[MaskedSquares], random: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures as a camera takes them and the masks of all plants on them: float [B,3,S,S], [B,1,S,S]."""
    images = to_float(pixels[torch.randint(len(pixels), (BATCH,), generator=random)])
    scene = compose(images, cut_out(images), backgrounds, _FIELD, random)
    images, plants = scene.images, scene.plants
    for number, photos in enumerate(masked):
        share = int(BATCH * _MASKED) // len(masked)
        chosen = torch.randint(len(photos.pixels), (share,), generator=random)
        layers = to_float(torch.cat([photos.pixels[chosen], photos.plants[chosen]], 1))
        layers = placed(layers, torch.zeros(share, dtype=torch.bool), _FIELD, random)
        rows = slice(number * share, (number + 1) * share)
        images[rows], plants[rows] = layers[:, :3], layers[:, 3:]
    return photograph(images, _CAMERA, random), plants
