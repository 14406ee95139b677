"""`record`: measure a finished run on the test split, and keep the result."""

import argparse
from pathlib import Path

from training.cli.options import Commands, add_data, add_results
from training.cli.output import say


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    record = commands.add_parser("record", help="measure a finished run on the test split, and keep the result for the report")
    record.add_argument("--run", type=Path, required=True)
    add_data(record)
    add_results(record)
    record.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training.data import images as data
    from training.experiments import results

    images = data.load(options.data, options.cache)
    result = results.record(options.run, images, options.results)
    say(f"{result.name}: validation {result.validation_accuracy:.2%}, test {result.test.accuracy:.2%}; kept in {options.results}")
