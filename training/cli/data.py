"""`data check` and `data fetch`: look at a data folder, or get one."""

import argparse
from pathlib import Path

from training.cli.options import Commands
from training.cli.output import say


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    actions = commands.add_parser("data", help="look at a data folder").add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="counts, unreadable files, duplicates, sizes")
    check.add_argument("data", type=Path, metavar="DIR", help="holds one folder of images for each species")
    check.set_defaults(perform=_check)
    fetch = actions.add_parser("fetch", help="the original images, by your own Kaggle credentials")
    fetch.add_argument("data", type=Path, metavar="DIR", help="a new folder")
    fetch.set_defaults(perform=_fetch)


def _check(options: argparse.Namespace) -> None:
    """Print the findings; whatever training would refuse is a failure, so that scripts notice."""
    from training.data import audit
    from training.errors import DataError

    findings = audit.check(options.data)
    say(audit.text(findings))
    problems = len(findings.problems)
    if problems:
        raise DataError(f"{problems} problem{'s' if problems > 1 else ''} in {options.data}; mend or remove the files listed above")


def _fetch(options: argparse.Namespace) -> None:
    from training.data import kaggle

    say(f"{kaggle.fetch(options.data)} images in {options.data}")
