"""`evaluate`: figures of a run's best weights, or of an artifact, on one split or on photos in none."""

import argparse
import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.cli.options import OOD, Commands, OldName, add_data, add_measured, add_named
from training.cli.output import say

if TYPE_CHECKING:
    from torch import Tensor

    from models_store.manifest import Figures
    from training.data.images import Images
    from training.publishing.measured_model import MeasuredModel


_NO_PROMISE = 0.0  # is asked for where nothing is chosen


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    evaluate = commands.add_parser("evaluate", help="measure a run or an artifact on a split, or on photos in none")
    add_measured(evaluate)
    add_data(evaluate, required=False)
    what = evaluate.add_mutually_exclusive_group(required=True)
    what.add_argument("--split", choices=["validation", "test", "all"], help="of the images in --data; all: but those it has learnt from")
    what.add_argument(
        "--images", type=Path, metavar="DIR", help="photos in no split, one folder for each species; some of the model's, or others"
    )
    evaluate.add_argument(
        "--tta",
        type=int,
        choices=[1, 8],
        default=1,
        help="test-time augmentation; 8: also the figures of the mean over the 8 orientations of each image",
    )
    evaluate.add_argument("--views", dest="tta", type=int, choices=[1, 8], action=OldName, metavar="--tta", help=argparse.SUPPRESS)
    evaluate.add_argument("--backgrounds", action="store_true", help="also the accuracy with the plants set on other backgrounds")
    evaluate.add_argument(
        "--grounds", dest="backgrounds", nargs=0, const=True, action=OldName, metavar="--backgrounds", help=argparse.SUPPRESS
    )
    add_named(evaluate, "--ood", OOD)
    evaluate.add_argument("--json", nargs="?", const="-", metavar="FILE", help="figures as JSON, to a file or the terminal")
    evaluate.set_defaults(perform=functools.partial(_perform, evaluate))


def _perform(command: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if options.split is not None and options.data is None:
        command.error("--split is of the images in a folder: name it with --data DIR")
    from training.artifact import answer_figures, thresholds
    from training.data import images as data
    from training.evaluation import backgrounds, metrics, predictions
    from training.publishing import external_photos, measured_model, out_of_distribution

    measured = measured_model.of(options.run, options.artifact)
    if options.images is not None:
        _elsewhere(measured, options)
        return
    images = measured.in_order(data.load(options.data, options.cache))
    if options.split == "all":
        images, held = external_photos.unseen(measured, images, options.data)
    else:
        parts = measured.split(images)
        held = {"left_out": parts.left_out.get(options.split, 0), "unknown_origins": [*measured.provenance(images).unknown]}
        images = images.only(parts.rows(options.split))
    pixels, labels = images.pixels, images.labels
    probabilities, distances = measured.answers(pixels)
    figures = metrics.figures(options.split, images.species, probabilities, labels)
    more: dict[str, Any] = held
    if options.tta > 1:
        averaged = metrics.figures(options.split, images.species, predictions.over_orientations(measured.probabilities, pixels), labels)
        more["tta"] = {"orientations": options.tta, **averaged.model_dump(mode="json")}
    if options.backgrounds:
        more["backgrounds"] = backgrounds.accuracy(measured.probabilities, pixels, labels)
    if distances is not None and measured.calibration is not None and measured.module is not None:
        more["familiarity"] = out_of_distribution.figures(measured.calibration, probabilities, distances, labels)
        more["out_of_distribution"] = out_of_distribution.on_drawn_pictures(measured.calibration, measured.module)
    if measured.calibration is not None:
        shown = [measured.described[label] for label in labels.tolist()]
        familiarity = measured.calibration.familiarity
        familiar = None if distances is None or familiarity is None else distances <= familiarity.limit
        asked = thresholds.held_out(options.split, probabilities, shown, familiar, _NO_PROMISE)
        more["answers"] = answer_figures.figures(measured.described, measured.calibration, asked).model_dump(mode="json")
    if options.ood:
        more["ood"] = _ood(measured, options, distances)
    if options.json is None:
        say("\n".join([_table(figures), *_sentences(more)]))
        return
    document = figures.model_dump(mode="json") | more
    document |= {"species": images.species, "predictions": _predictions(images, probabilities)}
    _write(document, options.json)


def _elsewhere(measured: "MeasuredModel", options: argparse.Namespace) -> None:
    """Figures on a folder of photos that are in no split."""
    from training.evaluation import external
    from training.publishing import external_photos

    found_there = external_photos.load(str(options.images), options.images, options.cache, measured)
    calibration = measured.calibration
    familiarity = None if calibration is None else calibration.familiarity
    asked, distances = external_photos.ask(measured, familiarity, found_there.name, found_there.pixels, found_there.shown(), _NO_PROMISE)
    found = external_photos.figures(measured, found_there, asked)
    if options.ood:
        found["ood"] = _ood(measured, options, distances)
    if options.json is None:
        say("\n".join([external.text(f"{measured.name} on {options.images}", measured.species, found), *_sentences(found)]))
    else:
        _write(found | {"species": measured.species}, options.json)


def _ood(measured: "MeasuredModel", options: argparse.Namespace, known: "Tensor | None") -> dict[str, Any]:
    """Figures on the folders of --ood, told from photos whose distances are `known`."""
    from training.data import unlabelled_images
    from training.publishing import out_of_distribution

    return {
        name: out_of_distribution.on_pictures(measured, known, unlabelled_images.load(folder)).model_dump()
        for name, folder in options.ood.items()
    }


def _write(document: dict[str, Any], where: str) -> None:
    """To a file, or to the terminal for `-`."""
    from training.atomic_files import write_json

    if where == "-":
        say(json.dumps(document, indent=1, ensure_ascii=False))
    else:
        write_json(Path(where), document)


def _predictions(images: "Images", probabilities: "Tensor") -> list[dict[str, Any]]:
    return [
        {"file": file, "species": images.species[int(answer.argmax())], "probabilities": answer.tolist()}
        for file, answer in zip(images.files, probabilities, strict=True)
    ]


def _table(figures: "Figures") -> str:
    width = max(map(len, figures.per_species))
    lines = [f"{'species':<{width}} precision  recall      F1  images"]
    lines += [
        f"{name:<{width}} {row.precision:>9.1%} {row.recall:>7.1%} {row.f1:>7.3f} {row.n:>7}" for name, row in figures.per_species.items()
    ]
    total = f"{figures.split}: {figures.n} images, accuracy {figures.accuracy:.2%}, macro-F1 {figures.macro_f1:.4f}, ECE {figures.ece:.2%}"
    return "\n".join([*lines, "", total])


def _sentences(more: dict[str, Any]) -> list[str]:
    """What stands under the table."""
    lines = []
    if more["left_out"]:
        lines.append(f"{more['left_out']} images are left out: it has learnt from them, or from the same photos in other bytes")
    if more["unknown_origins"]:
        lines.append(f"what {' and '.join(more['unknown_origins'])} had learnt from is not known, so these images may be among them")
    if "tta" in more:
        row = more["tta"]
        lines.append(
            f"averaged over {row['orientations']} orientations:"
            f" accuracy {row['accuracy']:.2%}, macro-F1 {row['macro_f1']:.4f}, ECE {row['ece']:.2%}"
        )
    if "backgrounds" in more:
        shares = ", ".join(f"{name} {share:.1%}" for name, share in more["backgrounds"].items())
        lines.append(f"plants set on other backgrounds: {shares}")
    if "familiarity" in more:
        row, drawn = more["familiarity"], more["out_of_distribution"]
        right = "" if row["confident_accuracy"] is None else f", {row['confident_accuracy']:.1%} of them right"
        lines.append(
            f"familiar {row['familiar']:.1%}; confident {row['confident']:.1%} ({row['confident_by_probability_alone']:.1%} by probability"
            f" alone){right}"
        )
        lines.append(
            f"{drawn['images']} drawn pictures of anything else: unfamiliar {drawn['unfamiliar']:.1%}, not confident"
            f" {drawn['not_confident']:.1%} ({drawn['unsure']:.1%} by probability alone)"
        )
    if "answers" in more:
        row = more["answers"]
        ranks = ", ".join(f"{rank} {n / row['n']:.1%} ({row['wrong'][rank]} wrong)" for rank, n in row["answered"].items())
        lines.append(f"can be relied upon: {ranks}; {row['crops_called_weeds']} of {row['crops']} crops are called weeds")
    for name, row in more.get("ood", {}).items():
        lines.append(
            f"{name}, {row['n']} pictures: AUROC {row['auroc']:.3f}, FPR95 {row['fpr95']:.1%}, unfamiliar {row['unfamiliar']:.1%},"
            f" answered {row['answered']:.1%} (species {row['confident']:.1%})"
        )
    return lines
