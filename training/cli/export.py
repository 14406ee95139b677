"""`export`: publish a run's best weights."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from training.cli.options import Commands, add_appraisal, add_data, external_folders
from training.cli.output import say

if TYPE_CHECKING:
    from training.artifact.formats import Format


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    export = commands.add_parser("export", help="calibrate a run's best weights and publish them as an artifact")
    export.add_argument("--run", type=Path, required=True)
    add_data(export)
    export.add_argument("--store", type=Path, required=True, help="folder of published models")
    export.add_argument("--name", default="seedlings", help="name of the model (default: seedlings)")
    export.add_argument(
        "--compact",
        action="store_true",
        help="factor the largest dense layer where that saves weights (--rank 64), and store float16: base is 10 MB instead of 219",
    )
    export.add_argument("--rank", type=int, help="factor the largest dense layer to this rank")
    export.add_argument(
        "--storage",
        choices=["float32", "float16", "int8"],
        help="of the weights, factored or not (default: float16 with --compact or --rank, else float32)",
    )
    export.add_argument(
        "--format",
        type=formats_named,
        default=("torchscript",),
        metavar="FORMAT,…",
        help="torchscript, pt2, onnx, int8: beside model.pt also model.pt2 (torch.export) or model.onnx (ONNX Runtime; extra onnx), each "
        "compared with model.pt; int8: model.onnx, and the same in 8 bits, quicker, with other answers to a few photos (default: "
        "torchscript, which every version has)",
    )
    export.add_argument("--force", action="store_true", help="publish it even if it may be guessing; the card says so")
    export.add_argument(
        "--twin",
        type=Path,
        metavar="DIR",
        help="of a run of 'fit --all-images': the run, or published version, of the same recipe without it, which gives temperature,"
        " thresholds and limit; figures are of the photos of --measure",
    )
    add_appraisal(export)
    export.set_defaults(perform=_perform)


def formats_named(text: str) -> "tuple[Format, ...]":
    """The formats of a list with commas. Raises ArgumentTypeError."""
    from training.artifact.formats import FORMATS

    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in FORMATS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no format; give some of {', '.join(FORMATS)}, with commas between")
    if "int8" in names:  # it is made of that
        names.append("onnx")
    return tuple(form for form in FORMATS if form in names)


def _perform(options: argparse.Namespace) -> None:
    from training.data import images as data
    from training.publishing import candidate, export

    images = data.load(options.data, options.cache)
    rank: candidate.Rank = "usual" if options.rank is None and options.compact else options.rank
    storage: candidate.Storage = options.storage or ("float32" if rank is None else "float16")
    folder = export.export(
        options.run,
        images,
        options.store,
        options.name,
        rank=rank,
        storage=storage,
        forms=options.format,
        promise=options.promise,
        data=options.data,
        outside=external_folders(options),
        force=options.force,
        twin=options.twin,
    )
    say_published(folder)


def say_int8(folder: Path) -> None:
    """What the network in 8 bits is worth, where a version has it."""
    from models_store import store
    from training.artifact.formats import FILES

    manifest = store.read_any_manifest(folder)
    found = getattr(manifest, "int8", None)
    if found is not None:
        size = (folder / FILES["int8"]).stat().st_size / 1e6
        other = "" if found.other_answer is None else f"; {found.other_answer} get another answer"
        say(
            f"{FILES['int8']} has {size:.1f} MB; {found.right} of {found.n} validation images are right, in float32"
            f" {found.right_float}{other}"
        )


def say_published(folder: Path) -> None:
    """What a version is worth, where it lies, what it will never say, and what there is to know of it."""
    from models_store import store
    from training.artifact import binomial

    manifest = store.read_manifest(folder)
    figures, calibration = manifest.figures, manifest.calibration
    width = max(map(len, figures.per_species))
    for name, row in figures.per_species.items():
        low, high = binomial.of_accuracy(row.recall, row.n)
        say(f"{name:<{width}}  {row.recall:>6.1%} of {row.n} {figures.split} images right (95%: {low:.0%} to {high:.0%})")
    low, high = binomial.of_accuracy(figures.accuracy, figures.n)
    between = f"on photos like these it lies between {low:.1%} and {high:.1%} (95%)"
    say(f"accuracy {figures.accuracy:.1%} on {figures.n} {figures.split} images; {between}")
    if figures.answers is not None:
        say(f"{figures.answers.answered['species'] / figures.n:.1%} of them are answered with confidence")
    say(f"model.pt has {manifest.size_bytes / 1e6:.1f} MB")
    for file in sorted({"model.pt2", "model.onnx"} & manifest.files.keys()):
        say(f"{file} has {(folder / file).stat().st_size / 1e6:.1f} MB and answers as model.pt does")
    say_int8(folder)
    say(f"published {folder}")
    if manifest.forced:
        say(f"warning: published by --force: {manifest.forced}")
    for warning in manifest.warnings:
        say(f"warning: {warning}")
    if calibration.threshold is None:
        say(f"none of its answers will be confident: {calibration.threshold_reason}")
    for what, found in (("kind", calibration.kind), ("group", calibration.group)):
        if found is not None and found.threshold is None:
            why = "for the same reason" if found.threshold_reason == calibration.threshold_reason else found.threshold_reason
            say(f"no {what} will be answered where the species is not sure: {why}")
