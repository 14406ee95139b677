"""`report`: the page with every figure and table."""

import argparse
from pathlib import Path

from training.cli.options import Commands, add_data, add_results
from training.cli.output import say


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    report = commands.add_parser("report", help="one page with the report's figures and tables, and ours beside them")
    add_data(report)
    add_results(report)
    report.add_argument("--artifact", type=Path, metavar="DIR", help="version whose answers are shown (default: the newest shipped one)")
    report.add_argument("--out", type=Path, required=True, metavar="DIR", help="where index.html and its pictures go")
    report.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training.data import images as data
    from training.experiments.report import build

    images = data.load(options.data, options.cache)
    say(f"wrote {build.build(images, options.results, options.artifact, options.out)}")
