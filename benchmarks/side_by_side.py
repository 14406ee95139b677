"""Servers measured one after the other on this machine, in rounds: the options, the rounds, the table and the end of such a benchmark."""

import argparse
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.processes import Server, running
from benchmarks.results import Requirement

Rounds = list[dict[str, Any]]  # what was measured of one server, each time


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The options that such a benchmark has."""
    made = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--only", nargs="+", metavar="NAME", help="of servers, as the table has them")
    made.add_argument("--peers-python", default=sys.executable, help="Python that has the peers installed")
    made.add_argument("--seconds", type=float, default=10, help="length of each load")
    made.add_argument("--rounds", type=int, default=3, help="how often all is measured; the table shows medians")
    made.add_argument("--out", type=Path, help="JSON file for the results; the table goes beside it")
    return made


def chosen(servers: Sequence[Server], only: Sequence[str] | None) -> list[Server]:
    """Those that `--only` names, or all. Exits where it names none of them."""
    names = [server.name for server in servers]
    if unknown := set(only or ()) - set(names):
        sys.exit(f"error: --only: no server {min(unknown)!r}; there are {', '.join(map(repr, names))}")
    return [server for server in servers if not only or server.name in only]


def one_round(
    servers: Sequence[Server],
    options: argparse.Namespace,
    port: int,
    probe: Callable[[Server], bytes],
    measure: Callable[[Server, int], dict[str, Any]],
    measured: dict[str, Rounds],
) -> None:
    """Start each server, `measure` it by its process id, and end it; one that does not start is told of and left out."""
    for server in servers:
        try:
            with running(server, port, probe(server), options.peers_python if server.of_peers else sys.executable) as pid:
                found = measure(server, pid)
        except RuntimeError as error:
            print(error, file=sys.stderr)
            continue
        measured.setdefault(server.name, []).append(found)
        print(f"{server.name}: {found}", file=sys.stderr)


def median(rounds: Rounds, load_name: str, key: str) -> float:
    """Of all rounds of a server."""
    return statistics.median(one[load_name][key] for one in rounds)


def table(measured: Mapping[str, Rounds], cell: Callable[[str, str], str]) -> str:
    """One row for each load and one column for each server; `cell` is given the server and the load."""
    loads = [key for key in next(iter(measured.values()))[0] if "/" in key]
    rows = [f"| {name} | " + " | ".join(cell(server, name) for server in measured) + " |" for name in loads]
    memory = [f"{statistics.median(one['memory_mib'] for one in rounds):.0f} MiB" for rounds in measured.values()]
    head = ["| load | " + " | ".join(measured) + " |", "|---" * (len(measured) + 1) + "|"]
    return "\n".join([*head, *rows, "| memory | " + " | ".join(memory) + " |"])


def finish(out: Path | None, text: str, document: dict[str, Any], requirements: Sequence[Requirement]) -> int:
    """Print the table, judge, write both files where they are asked for, and give the exit status."""
    print(text)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.with_suffix(".md").write_text(text + "\n")
    if requirements:
        return results.judge(out, document, requirements)
    results.write(out, document)
    return 0


def none_started() -> int:
    """Tell that there is nothing to show. Returns the exit status."""
    print("none of the servers could be started", file=sys.stderr)
    return 1
