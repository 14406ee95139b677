"""Options that several commands share, and old names that still work."""

import argparse
from pathlib import Path
from typing import Any

from training.old_names import say_new_name

Commands = argparse._SubParsersAction  # of argparse.ArgumentParser


class OldName(argparse.Action):
    """The name that an option had before: it works for one release, and says its new name, which is `metavar`."""

    def __call__(self, _: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        """Take the value as the new option would."""
        say_new_name(str(option), str(self.metavar))
        setattr(namespace, self.dest, self.const if self.nargs == 0 else values)


def add_measured(command: argparse.ArgumentParser) -> None:
    """`--run` or `--artifact`, one of them: what is measured."""
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", type=Path, help="folder of a run; its best weights are measured")
    what.add_argument("--artifact", type=Path, help="folder of a published version")


def add_machine(command: argparse.ArgumentParser) -> None:
    """`--device` and `--precision`."""
    command.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    command.add_argument(
        "--precision", choices=["auto", "32-true", "bf16-mixed"], default="auto", help="auto: bfloat16 where the processor computes in it"
    )


def add_results(command: argparse.ArgumentParser) -> None:
    """`--results`."""
    command.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where results are kept (default: results)")


def add_data(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    """`--data` and `--cache`."""
    command.add_argument("--data", required=required, type=Path, metavar="DIR", help="holds one folder of images for each species")
    command.add_argument("--cache", type=Path, metavar="DIR", help="where decoded images are kept (default: ~/.cache/seedlings)")


def add_background_photos(command: argparse.ArgumentParser) -> None:
    """`--background-photos`: photos to set plants on."""
    command.add_argument(
        "--background-photos",
        nargs="+",
        type=Path,
        default=[],
        metavar="DIR",
        help="photos to set plants on (recipes with a [field]); of those with a folder `masks` beside theirs, the bare parts",
    )
