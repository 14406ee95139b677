"""`sweep`: train and record the runs of a list that have no result yet."""

import argparse
from pathlib import Path

from training.cli.options import Commands, add_data, add_machine, add_results


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    sweep = commands.add_parser("sweep", help="train and record a list of runs; what has a result already is left out")
    sweep.add_argument(
        "sweep", choices=["ablation", "networks"], help="ablation: from the report's recipe to ours; networks: all under one recipe"
    )
    add_data(sweep)
    sweep.add_argument("--runs", type=Path, required=True, metavar="DIR", help="holds one folder for each run")
    add_results(sweep)
    sweep.add_argument("--only", nargs="+", metavar="NAME", help="these recipes (of networks: these networks) alone")
    sweep.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="SEED", help="one run for each (default: 0)")
    add_machine(sweep)
    sweep.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training.data import images as data
    from training.experiments import sweep
    from training.fitting.fabric import make_fabric
    from training.memory import keep_freed_memory

    entries = sweep.choose(options.sweep, options.only)
    keep_freed_memory()
    fabric = make_fabric(options.device, precision=options.precision)
    sweep.sweep(fabric, entries, options.seeds, data.load(options.data, options.cache), options.runs, options.results)
