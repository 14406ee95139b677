"""`convert`: a published version with more formats beside `model.pt`."""

import argparse
from pathlib import Path

from training.cli.export import formats_named, say_int8
from training.cli.options import PUBLISHED, Commands, published_version
from training.cli.output import say


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    convert = commands.add_parser("convert", help="publish an artifact once more, with model.onnx or model.pt2 beside model.pt")
    convert.add_argument("--artifact", type=published_version, required=True, metavar="DIR", help=PUBLISHED)
    convert.add_argument("--store", type=Path, required=True, help="folder of published models, which gets the next version")
    convert.add_argument(
        "--format",
        type=formats_named,
        default=("onnx",),
        metavar="FORMAT,…",
        help="pt2, onnx, int8: model.pt2 (torch.export) or model.onnx (ONNX Runtime, OpenVINO; extra onnx), each compared with model.pt; "
        "int8 with --data: model.onnx, and the same in 8 bits (default: onnx)",
    )
    convert.add_argument("--data", type=Path, metavar="DIR", help="the images of the version's training, for --format int8")
    convert.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training.artifact.formats import FILES
    from training.data import images as data
    from training.errors import TrainingError
    from training.publishing.convert import convert

    if "int8" in options.format and options.data is None:
        raise TrainingError("--format int8 needs the images of the version's training: give their folder with --data DIR")
    images = data.load(options.data) if "int8" in options.format else None
    folder = convert(options.artifact, options.store, options.format, images)
    for file in (FILES[form] for form in options.format if form in FILES and form != "int8"):
        say(f"{file} has {(folder / file).stat().st_size / 1e6:.1f} MB and answers as model.pt does")
    say_int8(folder)
    say(f"published {folder}")
