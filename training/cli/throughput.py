"""`throughput`: the speed of each network under the comparison's recipe."""

import argparse

from training.cli.options import Commands, add_data, add_machine, add_results
from training.cli.output import say
from training.old_names import say_new_name


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    about = "seconds an epoch and milliseconds a prediction of every network; on an idle machine"
    for throughput in (commands.add_parser("throughput", help=about), commands.add_parser("pace")):  # no help hides the old name
        add_data(throughput)
        add_results(throughput)
        add_machine(throughput)
        throughput.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training.atomic_files import write_json
    from training.data import images as data
    from training.experiments import sweep, throughput
    from training.fitting.fabric import make_fabric
    from training.memory import keep_freed_memory

    if options.command == "pace":
        say_new_name("pace", "throughput")
    keep_freed_memory()
    fabric = make_fabric(options.device, precision=options.precision)
    images = data.load(options.data, options.cache)
    document = throughput.document(fabric, sweep.SWEEPS["networks"], images)
    write_json(options.results / throughput.FILE, document)
    for name, row in document["networks"].items():
        say(f"{name:<8} {row['seconds_per_epoch']:>7.1f} s an epoch  {row['milliseconds_per_prediction']:>7.2f} ms a prediction")
