"""Training: one loop for CPU, one GPU, or several, through Lightning Fabric."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from models_store import store
from models_store.pixels import SIZE
from training import networks
from training.atomic_files import need_space
from training.data import background_photos
from training.data.images import Images
from training.data.split import Split
from training.errors import RunError
from training.evaluation import metrics
from training.evaluation.predictions import logits
from training.fitting import batchnorm, early_stopping, ema, freezing, imagenet, provenance, run_folder, time_left, warm_start
from training.fitting.batches import batches
from training.fitting.distillation import Teachers
from training.fitting.fabric import compiled, device_name
from training.fitting.loss import adjustment, cross_entropy, refuse_probabilities
from training.fitting.optimizer import build as build_optimizer
from training.fitting.optimizer import learning_rate
from training.fitting.plant_view_segmenter import load as load_segmenter
from training.fitting.provenance import Provenance
from training.fitting.run_identity import Identity
from training.fitting.run_record import RunRecord, TrainingState
from training.networks.network import AnySize
from training.networks.plant_view import view_of
from training.recipe import Recipe
from training.references import reference

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # its import takes two seconds


_AT_ONCE = 512  # images that a GPU composes at once: its many small steps take as long for one batch as for eight
_ORDER, _AUGMENT, _DROPOUT = range(3)  # streams of random numbers, independent of one another


def fit(
    fabric: "Fabric",
    recipe: Recipe,
    recipe_name: str,
    images: Images,
    split: Split,
    folder: Path,
    teachers: Sequence[Path] = (),
    backgrounds: Sequence[Path] = (),
    segmenter: Path | None = None,
    all_images: bool = False,
    corrections: str = "",
) -> list[dict[str, float]]:
    """Train a recipe into a run folder, or resume the run there. Returns the rows of `metrics.csv`.

    teachers: folders of finished runs, for a recipe that learns from other networks.
    backgrounds: folders of photos, for a recipe that sets plants on them.
    segmenter: the file of one, for a recipe with a plant view.
    all_images: learn from validation and test images too. Then nothing is measured, and the last epoch's weights are kept.
    corrections: digest of those that the images hold, so that a run does not go on with others.

    Randomness is drawn per epoch from (seed, epoch), so an interrupted run that resumes at an epoch's start gives the
    same weights as one that was never interrupted. A finished run is left as it is. Validation and test images that the weights learn
    from, here or before, are left out of all figures. Raises RunError, DataError, DiskError, TrainingError.
    """
    taught = Teachers(teachers, recipe.distillation, images.species, split)
    squares = background_photos.for_recipe(backgrounds, recipe.field)
    identity = Identity(
        recipe_name=recipe_name, recipe=recipe, species=images.species, split_digest=split.digest, images=split.counts(), fold=split.fold,
        teachers=taught.names, backgrounds=background_photos.names(backgrounds, squares), segmenter=_file_reference(segmenter),
        all_images=all_images, corrections=corrections,
        device=device_name(fabric.device), precision=fabric._precision.precision, torch_version=torch.__version__,
    )  # fmt: skip
    if fabric.is_global_zero:
        run_folder.remove_leftovers_in(folder)
    if run_folder.is_finished_already(folder, identity):
        fabric.print(f"{folder} is finished, {run_folder.finished_epochs(folder)} epochs; nothing was changed")
        return run_folder.finished_metrics(folder, run_folder.read_description(folder))
    torch.manual_seed(recipe.seed)
    state = _begin(recipe, images, segmenter)
    before = provenance.before(recipe, teachers, segmenter, images)
    split = split.thinned(images, recipe.train_share)
    rows = split.rows("all") if all_images else split.train
    learnt = (provenance.of_images(images, rows) | provenance.of_photos(background_photos.files(backgrounds)) | before).learnt
    held = replace(split, train=rows, validation=[], test=[]) if all_images else provenance.held_out(images, split, recipe.split, learnt)
    _refuse_another_split(recipe, split, held, before)
    for sentence in _said(split, held, before):
        fabric.print(sentence)
    found = {"images": held.counts(), "left_out": held.left_out, "unknown_origins": [*before.unknown]}
    found["started_from"] = "" if recipe.start in ("", imagenet.START) else warm_start.reference_of(recipe.start)
    description = run_folder.Description.of(identity.model_copy(update=found))
    need_space(folder, 4 * _checkpoint_bytes(state))  # the last and the best, each beside its predecessor
    checkpoint = run_folder.begin_or_resume(folder, description, learnt) if fabric.is_global_zero else None
    fabric.barrier()
    if not fabric.is_global_zero and (folder / run_folder.LAST).exists():
        checkpoint = run_folder.load_weights(folder / run_folder.LAST)
    _train(fabric, recipe, folder, state, checkpoint, taught, images, held, squares)
    return state.history


def _train(
    fabric: "Fabric",
    recipe: Recipe,
    folder: Path,
    state: TrainingState,
    checkpoint: dict[str, Any] | None,
    taught: Teachers,
    images: Images,
    held: Split,
    squares: Tensor | None,
) -> None:
    """The epochs that are left of a run. `held` are the rows of `images` to learn from and to validate on."""
    model, optimizer = fabric.setup(compiled(AnySize(state.network, SIZE), fabric.device), state.optimizer)
    if state.averaged is not None:
        state.averaged.to(fabric.device)
    if checkpoint is not None:
        state.restore(checkpoint)
        fabric.print(f"resuming {folder} after epoch {state.epoch} of {recipe.epochs}")
        if fabric.is_global_zero:
            run_folder.write_metrics(folder, state.history)  # which the interruption may have forestalled
    taught.networks = [compiled(network.to(fabric.device), fabric.device) for network in taught.networks]
    train = _Rows(images, held.train, fabric.device)
    validation = _Rows(images, held.validation, fabric.device)
    squares = None if squares is None else squares.to(fabric.device)
    record = RunRecord(folder, recipe, state.epoch) if fabric.is_global_zero else None
    seconds: list[float] = []  # of the epochs of this call
    while not early_stopping.ends(state.history, recipe):
        began = time.perf_counter()
        loss, rate = _epoch(fabric, model, optimizer, state, recipe, train, taught, squares)
        if batchnorm.is_due(state.network, len(train.labels) / recipe.batch_size, recipe.norms_without_dropout):
            with fabric.autocast():
                batchnorm.measure(state.network, state.evaluated, train.pixels)
        row = {"epoch": state.epoch + 1, "learning_rate": rate, "train_loss": loss}
        if held.validation:
            row |= _validate(fabric, state.evaluated, validation, recipe)
        row["seconds"] = round(time.perf_counter() - began, 2)
        seconds.append(row["seconds"])
        state.epoch += 1
        state.history.append(row)
        if record is not None:
            record.add(state)
            fabric.print(_line(row, recipe.epochs, time_left.in_words(seconds, recipe.epochs - state.epoch, bool(recipe.patience))))
        fabric.barrier()
    if state.epoch < recipe.epochs:
        fabric.print(f"stopped: validation got no better in {recipe.patience} epochs")
    if record is not None:
        record.close()
        run_folder.finish(folder)


@dataclass
class _Rows:
    """One part of the images, uint8, on the device for good: the report's training part is 220 MB."""

    pixels: Tensor  # uint8 [N,3,150,150]
    labels: Tensor  # int64 [N]
    targets: Tensor  # the same as float32 [N,species], one-hot
    repeated: Tensor  # bool [N], whether the image stands here several times

    def __init__(self, images: Images, rows: list[int], device: torch.device) -> None:
        self.pixels = images.pixels[rows].to(device)
        self.labels = images.labels[rows].to(device)
        self.targets = F.one_hot(self.labels, len(images.species)).float()
        self.repeated = torch.tensor(rows, dtype=torch.int64).bincount()[rows].to(device) > 1


def _begin(recipe: Recipe, images: Images, segmenter: Path | None) -> TrainingState:
    wanted = recipe.plant_view != "off"
    if wanted != (segmenter is not None) and not (wanted and warm_start.brings_plant_view(recipe.start)):
        raise RunError(
            "the recipe has a plant view; name the file of its segmenter: --segmenter FILE"
            if wanted
            else "the recipe has no plant_view, and --segmenter is for those that have"
        )
    network = networks.build(recipe.network, len(images.species), recipe.plant_view)
    if recipe.start == imagenet.START:
        imagenet.set_weights(network, recipe.network)
    elif recipe.start:
        warm_start.set_weights(network, images.species, recipe.start)
    if (plant_view := view_of(network)) is not None and segmenter is not None:
        plant_view.segmenter.load_state_dict(load_segmenter(segmenter).state_dict())
    network = network.to(memory_format=torch.channels_last)
    freezing.freeze(network, recipe)
    averaged = ema.averaged(network, recipe.ema_decay) if recipe.ema_decay else None
    return TrainingState(network, averaged, build_optimizer(network, recipe.optimizer))


def _refuse_another_split(recipe: Recipe, split: Split, held: Split, before: Provenance) -> None:
    """Raise RunError when these are the very images of the start's training, divided otherwise: by its split none would be left out."""
    if recipe.start in ("", imagenet.START) or not (held.left_out or before.unknown):
        return
    origin = store.read_manifest(store.named_version(recipe.start))
    if origin.training.split_digest != split.digest and origin.training.images == split.counts():
        made = origin.training.recipe
        raise RunError(
            f"{origin.name}/{origin.version} has learnt from test images of this split; start from it with"
            f' split = "{made.get("split", "report")}" and split_seed = {made.get("split_seed", 0)} only'
        )


def _said(split: Split, held: Split, before: Provenance) -> list[str]:
    """What a user is told of images that are left out, and of weights of which nobody knows what they learnt from."""
    counts = " and ".join(f"{n} of {len(split.rows(part))} {part} images" for part, n in held.left_out.items())
    lines = [f"{counts} are among those that the weights learn from or began with; they are left out of all figures"] if counts else []
    if before.unknown:
        names = " and ".join(before.unknown)
        lines.append(f"what {names} had learnt from is not known; figures on images that it had learnt from would be too good")
    return lines


def _file_reference(file: Path | None) -> str:
    return "" if file is None else reference(file.name, file.read_bytes())


def _epoch(
    fabric: "Fabric",
    model: nn.Module,
    optimizer: Any,
    state: TrainingState,
    recipe: Recipe,
    train: _Rows,
    taught: Teachers,
    backgrounds: Tensor | None,
) -> tuple[float, float]:
    """One pass over the training images; returns mean loss and last learning rate."""
    order = torch.randperm(len(train.labels), generator=_random(recipe.seed, state.epoch, _ORDER))
    torch.manual_seed(_random(recipe.seed, state.epoch, _DROPOUT, fabric.global_rank).initial_seed())
    share = max(1, min(recipe.batch_size, len(order)) // fabric.world_size)  # images of a batch on this device
    steps = max(1, len(order) // (share * fabric.world_size))  # what is left over comes first in another epoch's order
    side = recipe.resolution.at(state.epoch, recipe.epochs)

    def answers_of(images: Tensor) -> Tensor | None:
        with fabric.autocast():
            return taught.answers(images)

    own = order[: steps * share * fabric.world_size].view(steps, fabric.world_size, share)[:, fabric.global_rank]  # [steps,share]
    ahead = 1 if fabric.device.type == "cpu" else max(1, _AT_ONCE // share)
    random = _random(recipe.seed, state.epoch, _AUGMENT, fabric.global_rank)
    seen = batches(train.pixels, train.targets, own.to(fabric.device), recipe, side, ahead, random, backgrounds, train.repeated, answers_of)
    total = torch.zeros((), device=fabric.device)
    rate = 0.0
    prior = adjustment(train.labels.bincount(minlength=train.targets.shape[1]), recipe.logit_adjustment)  # [species]
    freezing.train(model, state.network, recipe)
    bar = tqdm(range(steps), f"epoch {state.epoch + 1}", leave=False, disable=None if fabric.is_global_zero else True)
    for step, batch in zip(bar, seen, strict=True):
        rate = learning_rate(recipe.optimizer, recipe.schedule, state.epoch * steps + step, recipe.epochs * steps)
        for group in optimizer.param_groups:
            group["lr"] = rate
        outputs = model(batch.images)  # [B,species]
        if state.epoch == step == 0:
            refuse_probabilities(outputs)
        adjusted = outputs + prior if recipe.logit_adjustment else outputs
        from_labels = cross_entropy(adjusted, batch.targets, recipe.label_smoothing, recipe.softmax_before_loss)
        loss = taught.loss(outputs, batch.answers, batch.moved, from_labels)
        fabric.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        if state.averaged is not None:
            state.averaged.update_parameters(state.network)
        total += loss.detach()
    mean = float(total) / steps
    if not np.isfinite(mean):
        raise RunError(f"the loss became {mean} in epoch {state.epoch + 1}; lower optimizer.learning_rate and start a new run")
    return mean, rate


def _validate(fabric: "Fabric", network: nn.Module, validation: _Rows, recipe: Recipe) -> dict[str, float]:
    with fabric.autocast():
        outputs = logits(network, validation.pixels)  # [N,species], on the CPU
    labels = validation.labels.cpu()
    return {
        "validation_loss": float(
            cross_entropy(outputs, labels, softmax_before_loss=recipe.softmax_before_loss).mean()
        ),  # smoothing is for training
        "validation_accuracy": metrics.accuracy(outputs, labels),
        "validation_macro_f1": metrics.macro_f1(outputs, labels),
    }


def _random(*path: int) -> torch.Generator:
    """A CPU generator for one stream of one epoch."""
    seed = int(np.random.SeedSequence(path).generate_state(1, np.uint64)[0]) >> 1
    return torch.Generator().manual_seed(seed)


def _line(row: dict[str, float], epochs: int, left: str) -> str:
    validation = ""
    if "validation_loss" in row:
        validation = (
            f"  validation loss {row['validation_loss']:.4f}  accuracy {row['validation_accuracy']:.2%}"
            f"  macro-F1 {row['validation_macro_f1']:.4f}"
        )
    return f"epoch {row['epoch']:>3}/{epochs}  loss {row['train_loss']:.4f}{validation}  {row['seconds']:.0f} s  {left}".rstrip()


def _checkpoint_bytes(state: TrainingState) -> int:
    weights = sum(parameter.numel() * parameter.element_size() for parameter in state.network.parameters())
    return weights * (4 if state.averaged is not None else 3)  # weights, their average, and Adam's two moments
