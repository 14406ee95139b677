"""`average`: one network from several runs that set out from the same weights."""

import argparse
from pathlib import Path

from training.cli.options import Commands
from training.cli.output import say


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    average = commands.add_parser("average", help="the mean of the weights of runs that set out from the same ones")
    average.add_argument("--runs", type=Path, nargs="+", required=True, metavar="RUN", help="finished runs, of one network and one start")
    average.add_argument("--run", type=Path, required=True, help="a new folder, for the mean")
    average.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training.fitting import weight_average, write_lock

    with write_lock.of_run(options.run):
        described = weight_average.average(options.runs, options.run)
    say(f"{options.run}: the mean of {' and '.join(described.averaged)}")
