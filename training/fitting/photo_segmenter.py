"""The segmenter of whole photos: learnt on composed pictures of many plants, and on photos with masks where there are some."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from models_store import store
from models_store.learnt import Learnt
from models_store.manifest import ClumpFigures, SegmenterTraining
from training.artifact import published_network, torchscript
from training.data import masked_photos
from training.data.masked_photos import Half, MaskedSquares
from training.data.tensors import to_float
from training.errors import RunError
from training.fitting import ema, imagenet, provenance, run_folder
from training.fitting.augmentation.background_replacement import placed
from training.fitting.augmentation.camera import photograph
from training.fitting.augmentation.many_plants import SIDE, Scenes, centres, centres_of_parts
from training.fitting.composed_pictures import ComposedPictures
from training.fitting.step_checkpoint import StepCheckpoint, digest_of
from training.networks.clump_classifier import ClumpClassifier
from training.networks.efficientnet_lite import efficientnet_lite0
from training.networks.photo_segmenter import CENTRE_STRIDE, PhotoSegmenter
from training.recipe import Camera, FieldScenes

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # its import takes two seconds


_WARMUP, _DECAY = 50, 0.01
_AVERAGE = 0.998
CAMERA = Camera(share=0.85, light=(0.28, 2.2), colour=0.1, least_side=110, jpeg_halved=0.5)
# Photos with masks are of a field's camera already. What blurs them much makes their masks wrong at the edges of thin leaves.
_FIELD_CAMERA = Camera(share=0.7, light=(0.5, 1.8), colour=0.15, blur=0.9, few_pixels=0.25, least_side=150, noise=0.03, jpeg_halved=0.5)
_PLACED = FieldScenes(share=1, wide=0.4, wide_scale=(0.5, 1.6))
_MOST_PLANTS = 12  # of a square of a photo, whose centres are learnt; one with more is hardly of single plants
_SIDES, _SIDES_SINGLE = (110, 350), (150, 520)  # pixels of a photo, of the squares' sides
_KEY, _LEARNT, _CLUMPS = "photo_segmenter", "learnt", "clumps"
_SQUARES = 20  # of a photo, at most; half of them wherever they fall, with stones and straw that look like plants
MOST_SQUARES = 10_000  # of all photos together, where two of each are not more: 2.6 GB
_PLANT_AREA = 30  # pixels of a plant on a photo, at least
_CENTRES = 0.5  # weight of their loss
_ENCODER = "efficientnet-lite0"
_FROZEN = 2  # of the encoder's stages, the first ones, which keep ImageNet's weights
_ENCODER_RATE = 0.1  # of the learning rate, for its other stages
_NO_PLANT = 15  # pixels that soften the IoU where there are hardly any plants
_LOGGED = 50  # steps between two lines of the log
CHECKPOINT_STEPS = 50  # between two checkpoints


@dataclass(frozen=True)
class LabelledSquares:
    """Squares of photos to learn from."""

    name: str  # as in `SegmenterOrigin`
    masked: MaskedSquares  # [M,3,S,S] with S = `SIDE`
    single: bool  # whether each connected part of a mask is one plant, so that centres are learnt too


@dataclass(frozen=True)
class TrainingPlan:
    """What a training is told."""

    steps: int
    seed: int = 0
    batch_size: int = 8  # composed pictures of a step; as many squares of photos with masks come to them, where there are some
    learning_rate: float = 3e-3  # the highest; it rises for 50 steps and falls by a half cosine
    workers: int = 0  # processes of the CPU that compose pictures; 0: they are composed on the device


@dataclass(frozen=True)
class SegmenterOrigin:
    """How weights came to be; kept beside them."""

    steps: int
    seed: int
    masks: list[str]  # folders as `name_of` names them, with `:first` or `:second` for a half, or `:bare`; those of the start too
    start: str | None  # name of the file of the weights that it began with
    split_digest: str
    images: int
    batch_size: int | None = 8  # None, here and below: those of a version that is older than the key
    learning_rate: float | None = 3e-3

    @staticmethod
    def name_of(folder: Path) -> str:
        """What a folder of photos is called: by the folder that holds it and its masks."""
        return masked_photos.home(folder).name

    def in_manifest(self, parameters: int) -> SegmenterTraining:
        """As a manifest says it."""
        return SegmenterTraining(
            network=f"photo-segmenter on {_ENCODER} from ImageNet",
            parameters=parameters,
            steps=self.steps,
            seed=self.seed,
            masks=self.masks,
            start=self.start,
            split_digest=self.split_digest,
            images=self.images,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            torch_version=str(torch.__version__),
        )


@dataclass(frozen=True)
class TrainedClumps:
    """A classifier of the parts that a segmenter finds, and its figures."""

    network: ClumpClassifier
    figures: ClumpFigures


@dataclass(frozen=True)
class TrainedSegmenter:
    """A segmenter and how it came to be."""

    network: PhotoSegmenter
    made_of: SegmenterOrigin
    name: str  # of its file
    learnt: Learnt | None  # the images it has learnt from; None where they are not known
    clumps: TrainedClumps | None = None


def bare(folders: Sequence[Path]) -> list[str]:
    """What `SegmenterOrigin` calls those of the folders of background photos that have masks: they may be measured on, too."""
    return [f"{SegmenterOrigin.name_of(folder)}:bare" for folder in folders if masked_photos.has_masks(folder)]


def squares_of_each(photos: int) -> int:
    """How many squares of each of so many photos are learnt from: of many photos fewer, so that all fit into memory."""
    return max(2, min(_SQUARES, MOST_SQUARES // max(1, photos)))


def field(folder: Path, *, single: bool, half: Half | None, each: int = _SQUARES) -> LabelledSquares:
    """The squares of a folder of photos with masks, of each so many. Raises DataError."""
    sides = _SIDES_SINGLE if single else _SIDES
    name = SegmenterOrigin.name_of(folder) + (f":{half}" if half else "")
    return LabelledSquares(name, masked_photos.squares(folder, SIDE, 0, sides, half, each=each, anywhere=each // 2), single)


def train(
    fabric: "Fabric",
    pixels: Tensor,
    backgrounds: Tensor | None,
    fields: Sequence[LabelledSquares],
    plan: TrainingPlan,
    out: Path,
    *,
    split_digest: str,
    bare: Sequence[str] = (),
    start: TrainedSegmenter | None = None,
    learnt: Learnt | None = None,
    log: Callable[[str], None] = lambda _: None,
) -> TrainedSegmenter:
    """Train on plants, uint8 [N,3,S,S] in the data set's own light, and write the weights to `out` with how they came to be.

    backgrounds: squares of photos to set plants on, or None. bare: what `SegmenterOrigin` calls the folders with masks that these are from.
    start: begin with its weights; without it the encoder begins with ImageNet's. learnt: the images that all of this is from, as the file
    is to say, without those of the start. log: gets a line every 50 steps. The same seed composes the same pictures on the CPU,
    with any number of workers, and on one kind of GPU without them.

    An interrupted training goes on from its last checkpoint, which lies beside `out`, and gives the same weights as one that was not.
    Raises DiskError, RunError for the checkpoint of another training, or where ImageNet's weights are not installed.
    """
    torch.manual_seed(plan.seed)
    device = fabric.device
    given = [backgrounds] if backgrounds is not None else []
    given += [part for one in fields for part in (one.masked.pixels, one.masked.plants)]
    given += start.network.state_dict().values() if start is not None else []
    network = (_beginning() if start is None else copy.deepcopy(start.network)).to(device).to(memory_format=torch.channels_last)
    where = torch.device("cpu") if plan.workers else device
    pixels, backgrounds = pixels.to(where), None if backgrounds is None else backgrounds.to(where)
    composed = ComposedPictures(pixels, backgrounds, plan.batch_size, plan.seed, plan.workers)
    here = [replace(one, masked=one.masked.to(device)) for one in fields]
    averaged = ema.averaged(network, _AVERAGE)
    optimizer = torch.optim.AdamW(_groups(network), weight_decay=_DECAY)
    masks = list(dict.fromkeys([*(start.made_of.masks if start else []), *(field.name for field in fields), *bare]))
    began_with = start.name if start else None
    made_of = SegmenterOrigin(plan.steps, plan.seed, masks, began_with, split_digest, len(pixels), plan.batch_size, plan.learning_rate)
    checkpoint = StepCheckpoint(out, asdict(made_of) | {"given": digest_of(given)}, network, averaged, optimizer)

    first = checkpoint.resume()
    total, began = torch.zeros((), device=device), time.monotonic()
    coming = tqdm(composed.steps(first, plan.steps, device), "segmenter", initial=first, total=plan.steps, leave=False, disable=None)
    for step, (scenes, random) in enumerate(coming, first):
        batch = _batch(scenes, here, plan.batch_size, random)
        for group in optimizer.param_groups:
            part = min(1, (step + 1) / _WARMUP) * 0.5 * (1 + math.cos(math.pi * step / plan.steps))
            group["lr"] = plan.learning_rate * part * group["share"]
        network.train()
        for stage in network.encoder():
            stage.eval()  # its norms go by ImageNet's statistics
        with fabric.autocast():
            found, middle = network(batch.images.contiguous(memory_format=torch.channels_last))
        loss = plant_loss(found.float(), batch.plants, batch.sizes)
        loss = loss + _CENTRES * centre_loss(middle.float(), batch.hills, batch.plants, batch.known)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        averaged.update_parameters(network)
        total += loss.detach()
        if (step + 1) % _LOGGED == 0:
            log(f"step {step + 1} of {plan.steps}: loss {float(total) / _LOGGED:.4f}, {time.monotonic() - began:.0f} s")
            total.zero_()
        if (step + 1) % CHECKPOINT_STEPS == 0:
            checkpoint.save(step + 1)
    segmenter: PhotoSegmenter = averaged.module.cpu().eval()  # type: ignore[assignment]
    if start is not None:
        learnt = None if learnt is None or start.learnt is None else learnt | start.learnt
    trained = TrainedSegmenter(segmenter, made_of, out.name, learnt)
    save(trained, out)
    checkpoint.remove()
    return trained


def save(trained: TrainedSegmenter, out: Path) -> None:
    """Write a segmenter as `load` reads it. Raises DiskError."""
    kept: dict[str, Any] = {_KEY: trained.network.state_dict(), "made_of": asdict(trained.made_of)}
    if trained.learnt is not None:
        kept[_LEARNT] = torch.from_numpy(trained.learnt.records.view(np.int64))
    if trained.clumps is not None:
        kept[_CLUMPS] = {"network": trained.clumps.network.state_dict(), "figures": trained.clumps.figures.model_dump()}
    run_folder.save_weights(out, kept)


def load(file: Path) -> TrainedSegmenter:
    """A segmenter that `train` wrote. Raises RunError."""
    if file.is_dir() or store.named_version(str(file)).is_dir():
        what = "folder" if file.is_dir() else "published version"
        raise RunError(f"{file} is a {what}; name the file that 'photo-segmenter fit' wrote (of a published version: evaluate --artifact)")
    if not file.is_file():
        raise RunError(f"{file} is not there; make one with 'python -m training photo-segmenter fit'")
    segmenter = PhotoSegmenter()
    try:
        kept = run_folder.load_weights(file)
        segmenter.load_state_dict(kept[_KEY])
        learnt = Learnt(kept[_LEARNT].numpy().view(np.uint64)) if _LEARNT in kept else None
        clumps = _clumps(kept[_CLUMPS]) if _CLUMPS in kept else None
        return TrainedSegmenter(segmenter.eval(), SegmenterOrigin(**kept["made_of"]), file.name, learnt, clumps)
    except (KeyError, RuntimeError, TypeError, ValueError):
        raise RunError(f"{file} holds no segmenter of this form; make one with 'python -m training photo-segmenter fit'") from None


def _clumps(kept: dict[str, Any]) -> TrainedClumps:
    network = ClumpClassifier()
    network.load_state_dict(kept["network"])
    return TrainedClumps(network.eval(), ClumpFigures(**kept["figures"]))


def _beginning() -> PhotoSegmenter:
    encoder = efficientnet_lite0(1)
    imagenet.set_weights(encoder, _ENCODER)
    return PhotoSegmenter(encoder)


def _groups(network: PhotoSegmenter) -> list[dict[str, Any]]:
    """What the optimiser gets: what is new learns at the full rate, the encoder at a part of it, its first stages not at all.

    So it keeps more of what it knows of a million other photos: fields that it has never seen are unlike all that it learns from here.
    """
    stages = network.encoder()
    for stage in stages[:_FROZEN]:
        stage.requires_grad_(False)
    slow = [weight for stage in stages[_FROZEN:] for weight in stage.parameters()]
    known = {id(weight) for stage in stages for weight in stage.parameters()}
    new = [weight for weight in network.parameters() if id(weight) not in known]
    return [{"params": new, "share": 1.0}, {"params": slow, "share": _ENCODER_RATE}]


def known(weights: str) -> TrainedSegmenter:
    """A file that `train` wrote, or a published version with its classifier: its folder, or `name/version` of the shipped ones.

    Raises RunError, TrainingError naming the file.
    """
    if Path(weights).is_file():
        return load(Path(weights))
    folder = store.named_version(weights)
    if not folder.is_dir():
        raise RunError(f"{weights} is neither a file of weights nor a published version, such as seedlings-segmenter/14")
    manifest, module = torchscript.load_segmenter(folder)
    try:
        exported = published_network.segmenter_of(module)
    except RunError as error:
        raise RunError(f"{weights}: {error}") from None
    made_of = SegmenterOrigin(**manifest.training.model_dump(include=set(SegmenterOrigin.__annotations__)))
    clumps = None
    if isinstance(exported, torchscript.ClumpTellingSegmenter) and manifest.clumps is not None:
        clumps = TrainedClumps(exported.clumps, manifest.clumps)
    name, learnt = f"{manifest.name}/{manifest.version}", provenance.beside(folder, manifest)
    return TrainedSegmenter(exported.network, made_of, name, learnt, clumps)


def plant_loss(logits: Tensor, plants: Tensor, sizes: list[int]) -> Tensor:
    """Cross-entropy, and one less the IoU, as it is measured: over all pixels of a source. [N,1,S,S], [N,1,S,S] → scalar.

    sizes: how many images each source has, one after the other; a source counts by them. The IoU of probabilities with soft masks is
    that of Wang, Ning, Blaschko (2023), *Jaccard Metric Losses: Optimizing the Jaccard Index with Soft Labels*.
    """
    found = logits.sigmoid()
    ious = []
    for one, drawn in zip(torch.split(found, sizes), torch.split(plants, sizes), strict=True):
        total, apart = (one + drawn).sum(), (one - drawn).abs().sum()
        both, either = (total - apart) / 2, (total + apart) / 2
        ious.append(len(one) * (both + _NO_PLANT) / (either + _NO_PLANT))
    return F.binary_cross_entropy_with_logits(logits, plants) + 1 - torch.stack(ious).sum() / len(logits)


def centre_loss(logits: Tensor, hills: Tensor, plants: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy with hills [N,1,h,w] on plants [N,1,H,W], where alone centres are looked for; of images that are `known`, [N]."""
    entropy = F.binary_cross_entropy_with_logits(logits, hills, reduction="none")
    near = F.max_pool2d(plants, 3 * CENTRE_STRIDE, CENTRE_STRIDE, CENTRE_STRIDE) * known[:, None, None, None]  # [N,1,h,w]
    return (entropy * near).sum() / near.sum().clamp(min=1)


@dataclass(frozen=True)
class _Batch:
    images: Tensor  # float [B,3,S,S], as a camera takes them
    plants: Tensor  # [B,1,S,S], masks of all plants
    hills: Tensor  # [B,1,S/4,S/4], on their centres
    known: Tensor  # [B], whether these are known
    sizes: list[int]  # how many images are of each source, one after the other


def _batch(scenes: Scenes, fields: Sequence[LabelledSquares], size: int, random: torch.Generator) -> _Batch:
    """The scenes, and about `size` squares of the fields."""
    scenes = scenes.turned(random)
    images, plants = [photograph(scenes.images, CAMERA, random)], [scenes.plant]
    hills, known = [centres(scenes.plants, CENTRE_STRIDE)], [scenes.known]
    for field in fields:
        share = max(1, size // len(fields))
        rows = torch.randint(len(field.masked.pixels), (share,), generator=random).to(scenes.images.device)
        layers = to_float(torch.cat([field.masked.pixels[rows], field.masked.plants[rows]], 1))
        layers = placed(layers, torch.zeros(share, dtype=torch.bool), _PLACED, random)
        images.append(photograph(layers[:, :3], _FIELD_CAMERA, random))
        plants.append(layers[:, 3:])
        top, few = centres_of_parts(layers[:, 3:] > 0.5, CENTRE_STRIDE, _PLANT_AREA, _MOST_PLANTS)
        hills.append(top * field.single)
        known.append(few * field.single * field.masked.apart[rows])
    return _Batch(torch.cat(images), torch.cat(plants), torch.cat(hills), torch.cat(known), [len(one) for one in images])
