"""`recalibrate`: an artifact with thresholds by the rules of now."""

import argparse
from pathlib import Path

from training.cli.options import PUBLISHED, Commands, add_appraisal, add_data, external_folders, published_version


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    recalibrate = commands.add_parser(
        "recalibrate", help="publish an artifact once more, the same network with thresholds and figures found anew"
    )
    recalibrate.add_argument("--artifact", type=published_version, required=True, metavar="DIR", help=PUBLISHED)
    add_data(recalibrate)
    recalibrate.add_argument("--store", type=Path, required=True, help="folder of published models, which gets the next version")
    add_appraisal(recalibrate)
    recalibrate.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training.cli.export import say_published
    from training.data import images as data
    from training.publishing import recalibrate

    images = data.load(options.data, options.cache)
    folder = recalibrate.recalibrate(
        options.artifact, images, options.store, promise=options.promise, data=options.data, outside=external_folders(options)
    )
    say_published(folder)
