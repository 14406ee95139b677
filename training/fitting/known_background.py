"""The gate of a plant view: telling the background of the training images from every other one.

A segmenter describes the background of a picture by its texture and colour; a small network behind it answers whether that is the
background of the training images, as their own camera shows it. What it is to refuse: composed pictures, bare backgrounds, and the training
images themselves as another camera would have taken them. Without the last, any blurred gravel passes.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from tqdm import tqdm

from training.data.tensors import cut_out, to_float
from training.fitting.augmentation.augment import augment
from training.fitting.augmentation.background_replacement import compose, placed, turned
from training.fitting.augmentation.camera import photograph
from training.networks.plant_view import Segmenter, background_layers
from training.recipe import Augment, Camera, FieldScenes

KNOWN = 0.99  # share of the validation images whose background is to be known
_BATCH = 64
_COMPOSED, _CHANGED, _BARE = 0.8, 0.4, 0.2  # pictures of each kind to refuse, for each training image
STEPS = 1500
_ROWS, _RATE, _DECAY = 256, 3e-3, 0.05
_SCENES = FieldScenes(share=1.0, others=0.0, photos=0.35, wide_scale=(0.4, 2.6))
_CAMERA = Camera(share=1.0, light=(0.28, 2.2))
_SAME_CAMERA = Augment(scale=(0.9, 1.1), shift=0.05, brightness=0.15, contrast=0.1, saturation=0.1)


def fit(segmenter: Segmenter, pixels: Tensor, validation: Tensor, backgrounds: Tensor | None, seed: int) -> None:
    """Train `segmenter.ground` in place; the rest of the segmenter stays as it is.

    pixels, validation: uint8 [N,3,S,S], the data set's images; backgrounds: squares of photos, or None. The bias is set so that the
    background of `KNOWN` of the validation images passes, at least.
    """
    random = torch.Generator().manual_seed(seed)
    known, other = _known(segmenter, pixels, random), _other(segmenter, pixels, backgrounds, random)
    rows, labels = torch.cat([known, other]), torch.cat([torch.ones(len(known)), torch.zeros(len(other))])
    mean, deviation = known.mean(0), known.std(0) + 0.05
    torch.manual_seed(seed)
    layers = background_layers()
    optimizer = torch.optim.AdamW(layers.parameters(), _RATE, weight_decay=_DECAY)
    rows = (rows - mean) / deviation
    for _ in range(STEPS):
        batch = torch.randint(len(rows), (_ROWS,), generator=random)
        loss = F.binary_cross_entropy_with_logits(layers(rows[batch])[:, 0], labels[batch])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        first, last = layers[0], layers[-1]
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        first.bias.sub_(first.weight @ (mean / deviation))  # the normal form of the rows goes into the first layer
        first.weight.div_(deviation)
        logits = layers(_textures(segmenter, to_float(validation)))[:, 0]
        last.bias.sub_(logits.quantile(1 - KNOWN, interpolation="lower"))
    segmenter.ground.load_state_dict(layers.state_dict())


@torch.no_grad()
def share(segmenter: Segmenter, pixels: Tensor) -> float:
    """Share of the images, uint8 [N,3,S,S], whose background it takes for that of its training images."""
    known = [segmenter.look(to_float(batch))[1][:, 0] >= 0 for batch in torch.split(pixels, _BATCH)]
    return float(torch.cat(known).double().mean())


def _known(segmenter: Segmenter, pixels: Tensor, random: Generator) -> Tensor:
    """Textures of the images as they are, and turned, mirrored and changed as little as the same camera would: [2N,195]."""
    images = to_float(pixels)
    changed = torch.cat([augment(batch, _SAME_CAMERA, random) for batch in torch.split(images, _BATCH)])
    return torch.cat([_textures(segmenter, images), _textures(segmenter, changed)])


def _other(segmenter: Segmenter, pixels: Tensor, backgrounds: Tensor | None, random: Generator) -> Tensor:
    """Textures of pictures whose background, or whose camera, is another one: [M,195]."""

    def drawn(source: Tensor) -> Tensor:
        return to_float(source[torch.randint(len(source), (_BATCH,), generator=random)])

    def composed() -> Tensor:
        images = drawn(pixels)
        return photograph(compose(images, cut_out(images), backgrounds, _SCENES, random).images, _CAMERA, random)

    def changed() -> Tensor:
        return photograph(placed(drawn(pixels), torch.zeros(_BATCH, dtype=torch.bool), _SCENES, random), _CAMERA, random)

    kinds: list[tuple[float, Callable[[], Tensor]]] = [(_COMPOSED, composed), (_CHANGED, changed)]
    if backgrounds is not None:
        kinds.append((_BARE, lambda: photograph(turned(drawn(backgrounds), random), _CAMERA, random)))
    batches = [picture for count, picture in kinds for _ in range(-(-round(count * len(pixels)) // _BATCH))]
    return torch.cat([_textures(segmenter, picture()) for picture in tqdm(batches, "other backgrounds", leave=False, disable=None)])


@torch.no_grad()
def _textures(segmenter: Segmenter, images: Tensor) -> Tensor:
    return torch.cat([segmenter.described(batch)[1] for batch in torch.split(images, _BATCH)])
