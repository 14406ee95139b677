"""`curve`: size against accuracy of a run's compact forms."""

import argparse
from pathlib import Path

from training.cli.options import Commands, add_data, add_results
from training.cli.output import say


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    curve = commands.add_parser("curve", help="size against accuracy of the compact forms of a run")
    curve.add_argument("--run", type=Path, required=True)
    add_data(curve)
    add_results(curve)
    curve.add_argument(
        "--ranks", nargs="+", type=int, help="of the largest dense layer (default: those of 8 16 32 64 128 that save weights)"
    )
    curve.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training import machine
    from training.atomic_files import write_json
    from training.data import images as data
    from training.errors import RunError
    from training.experiments import compression_curve
    from training.fitting import provenance, run_folder

    images = data.load(options.data, options.cache)
    description, network, _ = run_folder.load_best(options.run)
    split = provenance.split_of(images, description, provenance.of_run(options.run, description, images).learnt)
    ranks = options.ranks or compression_curve.usual_ranks(network)
    points = []
    try:
        for point in compression_curve.points(network, images, split, [None, *ranks]):
            points.append(point)
            rank = "whole" if point["rank"] is None else f"rank {point['rank']}"
            say(f"{rank:<9} {point['storage']:<8} {point['bytes'] / 1e6:>7.2f} MB  test {point['test_accuracy']:.2%}")
    except ValueError as error:
        raise RunError(f"--ranks: {error}") from None
    document = {"run": description.name, "split_digest": split.digest, "machine": machine.describe(), "points": points}
    write_json(options.results / "compact.json", document)
