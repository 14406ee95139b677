"""`photo-segmenter`: train, measure and publish what finds the plants on whole photos."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.cli.options import PUBLISHED, Commands, add_background_photos, add_data, add_machine, count, published_version, rate, seed
from training.cli.output import say

if TYPE_CHECKING:
    from training.data.annotations import DrawnMasks

_HALVES = ["first", "second"]
_NAMED, _SHOWN = 5, 30  # masks or labels, at most, and characters of a label


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    command = commands.add_parser("photo-segmenter", help="train, measure and publish what finds the plants on whole photos")
    actions = command.add_subparsers(dest="action", required=True, metavar="ACTION")
    fit = actions.add_parser("fit", help="train it on plants set on backgrounds, and on photos with masks; an interrupted one goes on")
    add_data(fit)
    add_background_photos(fit)
    _add_folders(fit, "learn from", required=False)
    fit.add_argument(
        "--start", metavar="WEIGHTS", help="begin with what `fit` wrote, or a published version: its folder, or seedlings-segmenter/14"
    )
    fit.add_argument("--steps", type=count, default=600, help="batches of pictures (default: 600)")
    fit.add_argument(
        "--batch-size",
        type=count,
        default=8,
        metavar="N",
        help="composed pictures of a step; as many squares of each folder of photos with masks (default: 8)",
    )
    fit.add_argument("--learning-rate", type=rate, default=3e-3, metavar="RATE", help="the highest (default: 0.003)")
    fit.add_argument("--seed", type=seed, default=0, help="of weights and pictures (default: 0)")
    add_machine(fit)
    fit.add_argument(
        "--workers",
        type=count,
        default=0,
        metavar="N",
        help="processes that compose pictures while the network learns, for a GPU (default: none; it composes them itself)",
    )
    fit.add_argument("--out", type=Path, required=True, metavar="FILE", help="where its weights go")
    fit.set_defaults(perform=_fit)
    clumps = actions.add_parser("clumps", help="train what tells parts that hold several plants from single plants, for weights of `fit`")
    clumps.add_argument("--weights", type=Path, required=True, metavar="FILE", help="what `fit` wrote")
    add_data(clumps)
    clumps.add_argument("--pictures", type=count, default=8000, metavar="N", help="composed ones to learn from (default: 8000)")
    clumps.add_argument("--epochs", type=count, default=36, metavar="N", help="passes over their parts (default: 36)")
    clumps.add_argument("--seed", type=seed, default=0, help="of weights and pictures (default: 0)")
    clumps.add_argument("--out", type=Path, required=True, metavar="FILE", help="where both go, to be exported together")
    clumps.set_defaults(perform=_clumps)
    masks = actions.add_parser("masks", help="make masks of LabelMe's files, or of COCO files, as CVAT writes them")
    masks.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="COCO's JSON, LabelMe's JSON of one photo, or a folder of those, such as CVAT's"
    )
    masks.add_argument(
        "--photos", type=Path, required=True, metavar="DIR", help="their photos; the masks go into a folder `masks` beside it"
    )
    masks.add_argument("--force", action="store_true", help="draw masks anew that are there; without it they stay")
    masks.set_defaults(perform=_masks)
    evaluate = actions.add_parser("evaluate", help="measure it on photos with masks, beside an excess green index")
    what = evaluate.add_mutually_exclusive_group(required=True)
    what.add_argument("--weights", type=Path, metavar="FILE", help="what `fit` wrote")
    what.add_argument("--artifact", type=published_version, metavar="DIR", help=PUBLISHED)
    _add_folders(evaluate, "be measured on", required=True)
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    evaluate.set_defaults(perform=_evaluate)
    export = actions.add_parser("export", help="publish it, with figures on photos with masks")
    export.add_argument("--weights", required=True, metavar="FILE", help="what `fit` wrote, or a published version, as of `fit --start`")
    _add_folders(export, "be measured on", required=True)
    export.add_argument("--store", type=Path, required=True, help="folder of published models")
    export.add_argument("--name", default="seedlings-segmenter", help="name of the model (default: seedlings-segmenter)")
    export.add_argument(
        "--twin",
        type=published_version,
        metavar="DIR",
        help="a published version, fitted with the same options on fewer photos: its figures stand for weights that learnt from all",
    )
    export.add_argument(
        "--force",
        action="store_true",
        help="publish it even if an excess green index is better on all photos",
    )
    export.set_defaults(perform=_export)


def _add_folders(command: argparse.ArgumentParser, purpose: str, *, required: bool) -> None:
    """`--masks`, `--plant-masks` and `--half`; one of the first two where they are required."""
    beside = "whose masks lie in a folder `masks` beside theirs: PNG, 0 is background"
    for name, more in (("--masks", ""), ("--plant-masks", "; parts of a mask that lie apart are plants, so plants count too")):
        command.add_argument(name, nargs="+", type=Path, default=[], metavar="DIR", help=f"photos to {purpose}, {beside}{more}")
    command.add_argument("--half", choices=_HALVES, help="only this half of each folder's photos, in the order of their names")
    command.set_defaults(folders_required=required)


def _fit(options: argparse.Namespace) -> None:
    """It learns from the training part of the images alone, as networks do."""
    from training.data import background_photos, masked_photos, split
    from training.data import images as data
    from training.fitting import photo_segmenter, provenance, step_checkpoint, write_lock
    from training.fitting.fabric import make_fabric
    from training.memory import keep_freed_memory

    keep_freed_memory()
    step_checkpoint.check_out(options.out)
    _draw_masks(options)
    plan = photo_segmenter.TrainingPlan(options.steps, options.seed, options.batch_size, options.learning_rate, options.workers)
    fabric = make_fabric(options.device, precision=options.precision)
    images = data.load(options.data, options.cache)
    parts = split.of(images, 0, "report")
    folders = (*options.masks, *options.plant_masks)
    more = [file for folder in folders for file in masked_photos.files(folder, options.half)]
    squares = background_photos.squares_and_of(options.background_photos, more)
    if more and squares is None:
        say("by their masks plants cover these photos, so composed pictures have drawn grounds alone")
    each = photo_segmenter.squares_of_each(len(more))
    fields = [photo_segmenter.field(folder, single=folder in options.plant_masks, half=options.half, each=each) for folder in folders]
    start = None if options.start is None else photo_segmenter.known(options.start)
    bare = photo_segmenter.bare(options.background_photos)
    photos = provenance.of_photos([*background_photos.files(options.background_photos), *more])
    learnt = (provenance.of_images(images, parts.train) | photos).learnt
    given = (images.pixels[parts.train], squares, fields, plan, options.out)
    with write_lock.of_file(options.out):
        photo_segmenter.train(fabric, *given, split_digest=parts.digest, bare=bare, start=start, learnt=learnt, log=say)
    say(f"wrote {options.out}")


def _clumps(options: argparse.Namespace) -> None:
    """It learns from plants of the training part of the images alone, and is measured on those of the validation part."""
    from training.data import images as data
    from training.data import split
    from training.fitting import step_checkpoint, write_lock
    from training.fitting.clump_classifier import ClumpPlan
    from training.memory import keep_freed_memory
    from training.publishing import photo_segmenter

    keep_freed_memory()
    if options.out.resolve() != options.weights.resolve():  # to which it may be added
        step_checkpoint.check_out(options.out)
    images = data.load(options.data, options.cache)
    plan = ClumpPlan(options.pictures, options.epochs, options.seed)
    with write_lock.of_file(options.out):
        found = photo_segmenter.add_clumps(options.weights, options.out, images, split.of(images, 0, "report"), plan, say)
    say(f"of {found.several} parts with several validation plants {found.passed} pass as one plant")
    say(f"of {found.single} single plants {found.called} are called a clump")
    say(f"wrote {options.out}")


def _masks(options: argparse.Namespace) -> None:
    from training.data import annotations

    _tell(annotations.write_masks(options.files, options.photos, replace=options.force))


def _draw_masks(options: argparse.Namespace) -> None:
    """Of the folders named: where photos have outlines and no mask yet. Raises DataError for two photos of one mask, too."""
    from training.data import annotations, masked_photos

    folders = (*options.masks, *options.plant_masks)
    for folder in folders:
        if drawn := annotations.draw_missing(folder):
            _tell(drawn)
        masked_photos.check(folder, options.half)
    annotations.check_apart([photo for folder in folders for photo in masked_photos.files(folder)])


def _tell(drawn: "DrawnMasks") -> None:
    from training.data import annotations

    written = drawn.files
    if written:
        say(f"wrote {_masks_in_words(written)} into {os.path.commonpath([mask.parent for mask in written])}")
    if drawn.kept:
        say(f"there already, so left as it was: {_masks_in_words(drawn.kept)}")
    if drawn.differing:
        say(f"not what the outlines say: {len(drawn.differing)} of these, {_some([mask.name for mask in drawn.differing])}")
        say("--force draws them anew")
    if drawn.absent:
        say(f"not among the photos, so left out: {len(drawn.absent)}, {_some(drawn.absent)}")
    for what, labels in (("plants", drawn.plants), ("ground", drawn.ground)):
        if labels:
            named = [f"{repr(label[:_SHOWN]) if label else 'none'} ({times})" for label, times in labels.most_common(_NAMED)]
            say(f"labels that count as {what}: {', '.join(named)}{' …' if len(labels) > _NAMED else ''}")
    if bare := annotations.without_plants(written):
        say(f"without a plant: {len(bare)} of them, {_some(bare)}")
        say("they count as bare ground: where a photo was only not annotated, remove it and its mask")


def _masks_in_words(masks: Sequence[Path]) -> str:
    return "1 mask" if len(masks) == 1 else f"{len(masks)} masks"


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_NAMED])}{' …' if len(names) > _NAMED else ''}"


def _evaluate(options: argparse.Namespace) -> None:
    from training.atomic_files import write_json
    from training.evaluation import detection_metrics
    from training.publishing import photo_segmenter

    _check_folders(options)
    _draw_masks(options)
    if options.artifact is not None:
        measured = photo_segmenter.of_artifact(options.artifact)
    else:
        measured = photo_segmenter.of_weights(options.weights)
    found = photo_segmenter.figures(measured, options.masks, options.plant_masks, options.half)
    for one in found:
        say(detection_metrics.text(one))
    if options.json is not None:
        write_json(options.json, [one.model_dump(mode="json") for one in found])


def _export(options: argparse.Namespace) -> None:
    from training.evaluation import detection_metrics
    from training.publishing import photo_segmenter

    _check_folders(options)
    _draw_masks(options)
    folders = (options.masks, options.plant_masks, options.half)
    published = photo_segmenter.export(options.weights, options.store, options.name, *folders, options.twin, force=options.force)
    for one in published.figures:
        say(detection_metrics.text(one))
    say(f"published {published.folder}")
    for warning in published.warnings:
        say(f"warning: {warning}")


def _check_folders(options: argparse.Namespace) -> None:
    from training.errors import DataError

    if options.folders_required and not (options.masks or options.plant_masks):
        raise DataError("name photos with masks in --masks or --plant-masks")
