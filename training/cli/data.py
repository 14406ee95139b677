"""`data check`, `data fetch` and `data corrections`: look at a data folder, or get one."""

import argparse
from pathlib import Path

from models_store import installing
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
    corrected = actions.add_parser("corrections", help="what people corrected, as folders of species")
    corrected.add_argument("--database", required=True, metavar="URL", help="as SEEDLINGS_DATABASE of the service")
    corrected.add_argument(
        "--photos", metavar="URL", help="as SEEDLINGS_PHOTOS of the service (default: the folder beside the file of SQLite)"
    )
    corrected.add_argument("--out", required=True, type=Path, metavar="DIR", help="a new folder, for learn, held-out and not-a-plant")
    corrected.add_argument("--all", action="store_true", help="also those that no reviewer has accepted yet")
    corrected.set_defaults(perform=_corrections)


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


def _corrections(options: argparse.Namespace) -> None:
    from training.errors import DataError

    try:
        from training.data import corrections
    except ImportError as error:
        raise DataError(f"corrections need {error.name}: {installing.command('seedlings[corrections]')}") from None
    written = corrections.write(options.database, options.photos, options.out, ("accepted", "waiting") if options.all else ("accepted",))
    say(f"{written.text()}. They are in {options.out}")
