"""The segmenter of whole photos: learnt on composed pictures of many plants, and on photos with masks where there are some."""

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor
from tqdm import tqdm

from models_store.manifest import SegmenterTraining
from training import machine
from training.data import masked_photos
from training.data.masked_photos import Half, Masked
from training.data.tensors import to_float
from training.errors import RunError
from training.fitting import ema, run
from training.fitting.camera import photograph
from training.fitting.field import placed
from training.fitting.many_plants import SIDE, Scenes, centres, compose_many
from training.fitting.segmenter import mask_loss
from training.networks.photo_segmenter import CENTRE_STRIDE, PhotoSegmenter
from training.recipe import Camera, FieldScenes

BATCH = 8  # composed pictures of a step
_USES, _KEPT = 3, 5  # times that a composed batch is used, each in another light, and how many steps lie between; prime to each other
_MASKED = 8  # photos with masks of a step, where there are some
_RATE, _WARMUP, _DECAY = 3e-3, 50, 0.01
_AVERAGE = 0.99
_CAMERA = Camera(share=0.85, light=(0.28, 2.2), colour=0.14, least_side=90)
_PLACED = FieldScenes(share=1, wide=0.4, wide_scale=(0.5, 1.6))
_MOST_PLANTS = 12  # of a square of a photo, whose centres are learnt; one with more is hardly of single plants
_SIDES, _SIDES_SINGLE = (110, 350), (150, 520)  # pixels of a photo, of the squares' sides
_KEY = "photo_segmenter"
_SQUARES, _ANYWHERE = 20, 10  # of a photo; the latter wherever they fall, with stones and straw that look like plants
_PLANT_AREA = 30  # pixels of a plant on a photo, at least
_CENTRES = 0.5  # weight of their loss


@dataclass(frozen=True)
class Field:
    """Squares of photos to learn from."""

    name: str  # as in `MadeOf`
    masked: Masked  # [M,3,S,S] with S = `SIDE`
    single: bool  # whether each connected part of a mask is one plant, so that centres are learnt too


@dataclass(frozen=True)
class MadeOf:
    """How weights came to be; kept beside them."""

    steps: int
    seed: int
    masks: list[str]  # folders as `name_of` names them, with `:first` or `:second` for a half; those of the start too
    start: str | None  # name of the file of the weights that it began with
    split_digest: str
    images: int

    @staticmethod
    def name_of(folder: Path) -> str:
        """What a folder of photos is called: by the folder that holds it and its masks."""
        return folder.resolve().parent.name

    def in_manifest(self, parameters: int) -> SegmenterTraining:
        """As a manifest says it."""
        return SegmenterTraining(
            network="photo-segmenter",
            parameters=parameters,
            steps=self.steps,
            seed=self.seed,
            masks=self.masks,
            start=self.start,
            split_digest=self.split_digest,
            images=self.images,
            torch_version=str(torch.__version__),
        )


@dataclass(frozen=True)
class Trained:
    """A segmenter and how it came to be."""

    network: PhotoSegmenter
    made_of: MadeOf
    name: str  # of its file


def field(folder: Path, *, single: bool, half: Half | None) -> Field:
    """The squares of a folder of photos with masks. Raises DataError."""
    sides = _SIDES_SINGLE if single else _SIDES
    name = MadeOf.name_of(folder) + (f":{half}" if half else "")
    return Field(name, masked_photos.squares(folder, SIDE, 0, sides, half, each=_SQUARES, anywhere=_ANYWHERE), single)


def train(
    pixels: Tensor,
    backgrounds: Tensor | None,
    fields: Sequence[Field],
    steps: int,
    seed: int,
    out: Path,
    *,
    split_digest: str,
    start: Trained | None = None,
) -> Trained:
    """Train on plants, uint8 [N,3,S,S] in the data set's own light, and write the weights to `out` with how they came to be.

    backgrounds: squares of photos to set plants on, or None. start: begin with its weights. Raises DiskError.
    """
    torch.manual_seed(seed)
    network = (PhotoSegmenter() if start is None else copy.deepcopy(start.network)).to(memory_format=torch.channels_last)
    composed: dict[int, Scenes] = {}
    averaged = ema.averaged(network, _AVERAGE)
    optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    for step in tqdm(range(steps), "segmenter", leave=False, disable=None):
        random = torch.Generator().manual_seed(seed * 1_000_003 + step)
        turn = step % _KEPT
        if step % _USES == 0 or turn not in composed:
            chosen = torch.randint(len(pixels), (BATCH,), generator=random)
            composed[turn] = compose_many(to_float(pixels[chosen]), backgrounds, random)
        images, plants, hills, known = _batch(composed[turn], fields, random)
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1, (step + 1) / _WARMUP) * 0.5 * (1 + math.cos(math.pi * step / steps))
        network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=machine.computes_in_bfloat16()):
            found, middle = network(images.contiguous(memory_format=torch.channels_last))
        loss = mask_loss(found.float(), plants) + _CENTRES * centre_loss(middle.float(), hills, plants, known)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        averaged.update_parameters(network)
    segmenter: PhotoSegmenter = averaged.module.eval()  # type: ignore[assignment]
    masks = list(dict.fromkeys([*(start.made_of.masks if start else []), *(field.name for field in fields)]))
    made_of = MadeOf(steps, seed, masks, start.name if start else None, split_digest, len(pixels))
    run.save_weights(out, {_KEY: segmenter.state_dict(), "made_of": asdict(made_of)})
    return Trained(segmenter, made_of, out.name)


def load(file: Path) -> Trained:
    """A segmenter that `train` wrote. Raises RunError."""
    if not file.is_file():
        raise RunError(f"{file} is not there; make one with 'python -m training photo-segmenter fit'")
    segmenter = PhotoSegmenter()
    try:
        kept = run.load_weights(file)
        segmenter.load_state_dict(kept[_KEY])
        return Trained(segmenter.eval(), MadeOf(**kept["made_of"]), file.name)
    except (KeyError, RuntimeError, TypeError):
        raise RunError(f"{file} holds no segmenter of this form; make one with 'python -m training photo-segmenter fit'") from None


def centre_loss(logits: Tensor, hills: Tensor, plants: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy with hills [N,1,h,w] on plants [N,1,H,W], where alone centres are looked for; of images that are `known`, [N]."""
    entropy = F.binary_cross_entropy_with_logits(logits, hills, reduction="none")
    near = F.max_pool2d(plants, 3 * CENTRE_STRIDE, CENTRE_STRIDE, CENTRE_STRIDE) * known[:, None, None, None]  # [N,1,h,w]
    return (entropy * near).sum() / near.sum().clamp(min=1)


def _batch(scenes: Scenes, fields: Sequence[Field], random: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pictures as a camera takes them, masks of all plants, hills on their centres, and of which pictures these are known.

    float [B,3,S,S], [B,1,S,S], [B,1,S/4,S/4], [B].
    """
    scenes = scenes.turned(random)
    images, plants = [scenes.images], [scenes.plant]
    hills, known = [centres(scenes.plants, CENTRE_STRIDE)], [scenes.known]
    for field in fields:
        share = _MASKED // len(fields)
        rows = torch.randint(len(field.masked.pixels), (share,), generator=random)
        layers = torch.cat([to_float(field.masked.pixels[rows]), field.masked.plants[rows]], 1)
        layers = placed(layers, torch.zeros(share, dtype=torch.bool), _PLACED, random)
        images.append(layers[:, :3])
        plants.append(layers[:, 3:])
        parts = [_parts(mask[0]) if field.single else [] for mask in layers[:, 3:]]
        empty = torch.zeros(1, 1, SIDE, SIDE)
        hills += [centres([part[None, None] for part in some] or [empty], CENTRE_STRIDE) for some in parts]
        known.append(torch.tensor([float(field.single and len(some) <= _MOST_PLANTS) for some in parts]))
    return photograph(torch.cat(images), _CAMERA, random), torch.cat(plants), torch.cat(hills), torch.cat(known)


def _parts(mask: Tensor) -> list[Tensor]:
    """The connected parts of a mask, [S,S] → each [S,S]; one of a few pixels counts as a part of none."""
    labels, count = ndimage.label(mask.numpy() > 0.5, np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    return [torch.from_numpy((labels == number).astype(np.float32)) for number in range(1, count + 1) if areas[number] >= _PLANT_AREA]
