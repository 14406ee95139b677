"""`convert`: a published version with more formats beside `model.pt`."""

import argparse
from pathlib import Path

from training.cli.export import formats_named
from training.cli.options import Commands
from training.cli.output import say


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    convert = commands.add_parser("convert", help="publish an artifact once more, with model.onnx or model.pt2 beside model.pt")
    convert.add_argument(
        "--artifact",
        required=True,
        metavar="DIR",
        help="folder of a published version, or NAME/VERSION of a model that comes with the project",
    )
    convert.add_argument("--store", type=Path, required=True, help="folder of published models, which gets the next version")
    convert.add_argument(
        "--format",
        type=formats_named,
        default=("onnx",),
        metavar="FORMAT,…",
        help="pt2, onnx: model.pt2 (torch.export) or model.onnx (ONNX Runtime, OpenVINO; extra onnx), each compared with model.pt "
        "(default: onnx)",
    )
    convert.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training.artifact.formats import FILES
    from training.fitting.warm_start import folder_of
    from training.publishing.convert import convert

    folder = convert(folder_of(options.artifact), options.store, options.format)
    for file in (FILES[form] for form in options.format if form in FILES):
        say(f"{file} has {(folder / file).stat().st_size / 1e6:.1f} MB and answers as model.pt does")
    say(f"published {folder}")
