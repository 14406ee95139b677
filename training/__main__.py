"""The command line of training: `python -m training COMMAND`. Each command has its file in `training/cli`."""

import argparse
import os
import sys

from models_store import installing, interrupt, threads
from models_store.called_as import called_as
from training import memory
from training.cli import (
    adapt,
    augment,
    average,
    convert,
    curve,
    data,
    evaluate,
    export,
    fit,
    leakage,
    photo_segmenter,
    recalibrate,
    record,
    report,
    segmenter,
    sweep,
    throughput,
)
from training.errors import TrainingError

# Their files import torch only when a command is performed. It takes seconds that a wrong call or --help need not wait for.
COMMANDS = (
    *(data, augment, segmenter, photo_segmenter, fit, average, evaluate, export, recalibrate, adapt, convert, record),
    *(sweep, throughput, leakage, curve, report),
)
RESUMED = ("fit", "adapt", "sweep", "segmenter", "photo-segmenter fit")  # they keep what is finished; the others keep nothing


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    root = argparse.ArgumentParser(
        prog=called_as("train", "training"), description="Train, evaluate and export networks that tell plant species apart."
    )
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return root


def interrupted(options: argparse.Namespace) -> str:
    """What a command says after Ctrl-C: whether it goes on from what it has, or begins anew."""
    command = " ".join([options.command, *([options.action] if "action" in options else [])])
    if command in RESUMED and not (command == "adapt" and options.run is None):  # its folder is a temporary one then
        return "interrupted; what was finished is kept, and the same command goes on from there"
    return "interrupted; nothing is left half written, and the same command begins anew"


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 success, 1 the work failed, 130 interrupted; a wrong call exits with 2."""
    threads.let_sleep(os.environ)
    memory.use_huge_pages(os.environ)
    options = parser().parse_args(fit.as_segmenter(sys.argv[1:] if arguments is None else arguments))
    try:
        with interrupt.within_a_second(interrupted(options)):
            options.perform(options)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("training"):
            raise
        hint = installing.command("seedlings[train]")
        print(f"error: training needs {error.name}, which is not installed; run: {hint}", file=sys.stderr)
        return 1
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(interrupted(options), file=sys.stderr)
        return interrupt.STATUS
    return 0


if __name__ == "__main__":
    interrupt.leave(main())
