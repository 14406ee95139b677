"""The command `seedlings` of an installed package: `seedlings serve`, `seedlings predict PHOTO`, `seedlings train fit …`.

pyproject.toml lists the commands as entry points of one group. So this command finds those of other packages without importing them.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points

from models_store import __version__, interrupt

GROUP = "seedlings.commands"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command named first. Returns its exit status; a wrong call exits with 2, an interrupted command at once with 130."""
    commands = {entry.name: entry for entry in entry_points(group=GROUP)}
    parser = argparse.ArgumentParser(prog="seedlings", description="Tells the species of plant seedlings on photos.")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("command", choices=sorted(commands), help="'seedlings COMMAND --help' lists its options")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="handed to the command")
    options = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        status = int(commands[options.command].load()(options.arguments))
    except KeyboardInterrupt:
        sys.stderr.write(interrupt.MESSAGE + "\n")
        status = interrupt.STATUS
    if status == interrupt.STATUS:
        interrupt.leave(status)
    return status
