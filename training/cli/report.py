"""`report`: a page of one's own runs; without one, the page with every figure and table of the report that the project began with."""

import argparse
from pathlib import Path

from training.cli.options import Commands, add_data, add_results, published_version
from training.cli.output import say


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    report = commands.add_parser("report", help="a page of one's own runs, or of the student report's figures and ours")
    add_data(report)
    add_results(report)
    what = report.add_mutually_exclusive_group()
    what.add_argument(
        "--run", type=Path, action="append", default=[], metavar="RUN", help="show this run's answers; may be given often: compare them"
    )
    report.add_argument(
        "--split", choices=["validation", "test"], default="validation", help="what --run is measured on (default: validation)"
    )
    what.add_argument(
        "--artifact", type=published_version, metavar="DIR", help="version whose answers are shown (default: the newest shipped one)"
    )
    report.add_argument("--out", type=Path, required=True, metavar="DIR", help="where index.html and its pictures go")
    report.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training.data import images as data
    from training.experiments.report import own_runs, student_report

    images = data.load(options.data, options.cache)
    if options.run:
        say(f"wrote {own_runs.build(options.run, images, options.split, options.out)}")
        return
    say(f"wrote {student_report.build(images, options.results, options.artifact, options.out)}")
