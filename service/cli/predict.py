"""`python -m service predict`: classify photos from the command line, in this process or by a running service."""

import argparse
import asyncio
import io
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TextIO

from models_store import image_files, interrupt
from models_store.called_as import called_as
from service.cli import answering, csv_tables, detection_output, remote
from service.cli.archive import command as archive
from service.cli.archive.reading import of_file
from service.cli.csv_tables import COLUMNS, Result
from service.cli.detection_output import Named
from service.cli.progress import Progress
from service.cli.remote import Look
from service.errors import ServiceError
from service.inference.detector import MAX_PLANTS, MOST_PLANTS, DetectionOptions
from service.process import logs
from service.settings import BadSetting, Settings, from_environment, warnings

_REMOTE_AT_ONCE = 8


class _Plants(NamedTuple):
    """What is wanted of the plants on each photo."""

    masks: bool
    options: DetectionOptions


@dataclass
class _Work:
    """The photos of one call, and what became of them."""

    settings: Settings
    answers: answering.Answers[Path]
    progress: Progress
    look: Look
    plants: _Plants | None  # None: each photo is of one plant
    begun: Callable[[], object]  # called before the first photo is asked about
    species: Sequence[Named] = ()  # that the model tells apart, where plants are to be found

    async def ask(self, one: Callable[[Path], Awaitable[Result]], at_once: int) -> None:
        self.begun()
        await self.answers.ask(one, self.progress.step, at_once)


def main(arguments: Sequence[str], begun: Callable[[], object] = lambda: None) -> int:
    """Run the command. Returns the exit status: 0 all photos were answered, 1 some were not, 2 a wrong call, 130 interrupted.

    `begun` is called before the first photo is asked about. An interrupt after it has what is done written, and ends the command then.
    Raises KeyboardInterrupt where nothing is done.
    """
    asked = parser()
    options = asked.parse_args(arguments)
    if sys.stdout is None:  # as Python has it where a shell has closed it
        asked.error("standard output is closed; give it a file or a terminal")
    logs.quiet_libraries()
    _check(asked, options)
    look: Look = options.crop or "auto"
    try:
        settings = from_environment(os.environ)
    except BadSetting as error:
        asked.error(str(error))
    for sentence in warnings(os.environ):
        print(f"warning: {sentence}", file=sys.stderr)
    wanted = DetectionOptions(max_plants=options.max_plants or MAX_PLANTS, fine=options.fine) if options.detect else None
    if options.out is not None:
        try:
            return archive.run(options, settings, look, wanted)
        except archive.WrongCall as error:
            asked.error(str(error))
    try:
        photos, problems = find([Path(source) for source in options.sources])
    except FileNotFoundError as error:
        asked.error(str(error))
    except OSError as error:
        asked.error(f"{error.filename} cannot be listed ({error.strerror})")
    style = options.format or "table"
    progress, plants = Progress(len(photos), sys.stderr), None if wanted is None else _Plants(style == "coco", wanted)
    work = _Work(settings, answering.Answers(photos), progress, look, plants, begun)
    interrupted = False
    try:
        asyncio.run(_ask(options.url, work) if options.url else _classify(work) if plants is None else _detect(work, plants))
    except (ServiceError, ValueError) as error:
        return _failure(error)
    except KeyboardInterrupt:
        interrupted = True
        if not work.answers.results:
            raise
    finally:
        progress.close()
    results = work.answers.results
    try:
        stream = _open(sys.stdout, style)
        if options.detect:
            detection_output.write(results, style, stream, work.species)
        else:
            write(results, style, stream)
        stream.flush()
    except BrokenPipeError:  # whoever reads has enough; what is left must not be tried again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return interrupt.STATUS if interrupted else 1
    except OSError as error:
        return _failure(f"the answers cannot be written ({error.strerror})")
    status = _tell_problems(results, problems, style)
    if not interrupted:
        return status
    left = f"{len(photos) - len(results)} of {len(photos)}"
    print(f"{interrupt.MESSAGE}; {left} photos are not done; what is done is written", file=sys.stderr)
    return interrupt.STATUS


def _tell_problems(results: list[Result], problems: list[str], style: str) -> int:
    """Say on stderr which photos have no answer, and why. Returns the exit status."""
    failed = [result for result in results if "problem" in result]
    if failed:
        print(f"{len(failed)} of {len(results)} photos were not answered:", file=sys.stderr)
        for result in failed:
            print(f"  {result['file']}: {result['problem']['detail']}", file=sys.stderr)
    for reason in problems:
        print(f"not looked at: {reason}", file=sys.stderr)
    for name, listed in detection_output.truncated(results):
        print(f"more plants were found than the {listed} that are listed, see --max-plants: {name}", file=sys.stderr)
    for name in detection_output.without_position(results) if style == "geojson" else ():
        print(f"not on the map, since it does not say where it was taken: {name}", file=sys.stderr)
    return 1 if failed or problems else 0


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    command = argparse.ArgumentParser(prog=called_as("predict", "service predict"), description="Tells the species on photos.")
    command.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="photos, and folders, which are searched for images, whole trees of them. With --out also patterns in quotes, s3://… and gs://…"
        " (objects, folders, patterns), https://… and text lists of all these (.txt, one a line)",
    )
    command.add_argument(
        "--url", help="ask a running service instead, such as http://localhost:8000; its key is read from SEEDLINGS_API_KEY"
    )
    command.add_argument("--detect", action="store_true", help="find all plants on each photo, and tell the species of each")
    command.add_argument(
        "--fine",
        action="store_true",
        help="with --detect: look at thin leaves of large photos from nearer at up to 192 places, not at 12; some seconds more a photo",
    )
    command.add_argument(
        "--max-plants",
        type=_plants,
        metavar="N",
        help=f"with --detect: of each photo the largest so many (default: {MAX_PLANTS}, at most {MOST_PLANTS})",
    )
    command.add_argument(
        "--crop",
        choices=["auto", "centre"],
        help="which part of a photo is used: the square around its largest plant, or the one in the middle (default: auto)",
    )
    command.add_argument(
        "--format",
        choices=["table", "csv", "json", *detection_output.STYLES, "parquet"],
        help="what is written to stdout (default: table); coco and geojson with --detect; with --out parquet (default) or csv",
    )
    archives = command.add_argument_group("archives", "photos by the million: see docs/archives.md")
    archives.add_argument(
        "--out",
        metavar="RESULTS",
        help="write rows into this folder, here or at s3://… or gs://…, a file for each block of photos; started again, it goes on",
    )
    archives.add_argument("--block", type=_positive, metavar="N", help=f"photos of a file of --out (default: {archive.BLOCK})")
    archives.add_argument(
        "--retry",
        action="store_true",
        help="answer parts of --out again that have photos without an answer, as after a store was away",
    )
    archives.add_argument("--engine", choices=["local", "ray"], default="local", help="this process, or a Ray cluster (default: local)")
    archives.add_argument(
        "--address", help="of --engine ray: where the cluster is, as 'ray start' prints it (default: on this machine, else one is started)"
    )
    archives.add_argument(
        "--workers", type=_positive, metavar="N", help="of --engine ray: models (default: as many as cores have room for)"
    )
    archives.add_argument("--worker-cpus", type=_positive, metavar="N", help="of --engine ray: cores of each (default: 2)")
    return command


def _check(command: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Ends with a message where options do not go together."""
    if "" in options.sources:
        command.error("a SOURCE is empty; name a photo or a folder, such as . for this one")
    if options.format in detection_output.STYLES and not options.detect:
        command.error(f"--format {options.format} works only with --detect: add that")
    for name, given in (("--fine", options.fine), ("--max-plants", options.max_plants)):
        if given and not options.detect:
            command.error(f"{name} works only with --detect: add that")
    if options.crop and options.detect:
        command.error("--crop is for one plant a photo; leave it out, --detect looks at all of them")
    if options.out is not None and options.url:
        command.error("--out uses the models of this machine or of a cluster; leave out --url")
    if options.out is None:
        for name in ("block", "address", "workers", "worker_cpus"):
            if getattr(options, name) is not None:
                command.error(f"--{name.replace('_', '-')} works only with --out RESULTS: add that")
        if options.retry:
            command.error("--retry is of --out RESULTS: add it")
        if options.engine == "ray" or options.format == "parquet":
            command.error(f"{'--engine ray' if options.engine == 'ray' else '--format parquet'} works only with --out RESULTS: add that")


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is below 1")
    return number


def _plants(text: str) -> int:
    number = _positive(text)
    if number > MOST_PLANTS:
        raise argparse.ArgumentTypeError(f"{text} is over {MOST_PLANTS}")
    return number


def _failure(error: object) -> int:
    print(f"error: {error}", file=sys.stderr)
    return 1


def _open(stream: TextIO, style: str) -> TextIO:
    """Standard output, so that no name of a file is lost to its encoding: UTF-8 for programs, what can be shown for people."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding=None if style == "table" else "utf-8", errors="backslashreplace")
    return stream


def find(paths: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The photos named, and those in the folders named, sorted; and what could not be looked at.

    Raises FileNotFoundError if there are none, OSError for a folder named that cannot be listed.
    """
    found: list[Path] = []
    problems: list[str] = []
    for path in paths:
        if path.is_dir():
            inside = image_files.find(path)
            problems += [f"{image_files.printable(file)} {reason}" for file, reason in inside.problems.items()]
            if not inside.files:
                raise FileNotFoundError(f"{image_files.printable(path)} holds no photos ({image_files.NAMED})")
            found += inside.files
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(f"{image_files.printable(path)} does not exist; patterns and addresses are read with --out RESULTS")
    return found, problems


async def _classify(work: _Work) -> None:
    """Has the model in this process answer, through the batches of the service."""
    async with answering.running(work.settings, brief=True) as services:
        ask = await answering.classifying(services, work.look)

        async def one(photo: Path) -> Result:
            return await ask(await asyncio.to_thread(of_file, photo))

        await work.ask(one, work.settings.images_at_once)


async def _detect(work: _Work, plants: _Plants) -> None:
    """Has the plants on each photo found and named by the models in this process."""
    async with answering.running(work.settings, brief=True) as services:
        ask = await answering.detecting(services, masks=plants.masks, wanted=plants.options)
        work.species = [one.model_dump() for one in services.predictor.model().manifest.species]

        async def one(photo: Path) -> Result:
            return await ask(await asyncio.to_thread(of_file, photo))

        await work.ask(one, plants.options.photos_at_once)


async def _ask(url: str, work: _Work) -> None:
    """Has the service at `url` answer."""
    key, plants = work.settings.api_key.get_secret_value() if work.settings.api_key else None, work.plants
    at_once = _REMOTE_AT_ONCE if plants is None else plants.options.photos_at_once
    async with remote.connected(url, key, answering.PATIENCE_S, at_once) as asking:
        work.species = asking.species
        if plants is None and (kept := await asking.retention()):  # photos sent to find plants are not kept
            print(f"note: {kept}", file=sys.stderr)

        async def one(photo: Path) -> Result:
            content = await asyncio.to_thread(of_file, photo)
            if plants is None:
                return await asking.predict(content, work.look)
            return await asking.detect(content, plants.masks, plants.options.max_plants, plants.options.fine)

        await work.ask(one, at_once)


def write(results: list[Result], style: str, stream: TextIO) -> None:
    """Write results as a table for people, as CSV or as JSON."""
    if style == "json":
        json.dump(results, stream, ensure_ascii=False, indent=1)
        stream.write("\n")
    elif style == "csv":
        rows = (result if "problem" in result else csv_tables.flat(result) for result in results)
        csv_tables.write_csv(COLUMNS, rows, stream)
    else:
        lines = [_row(result) for result in results if "problem" not in result]
        widths = [max((len(row[i]) for row in lines), default=0) for i in range(4)]
        for row in lines:
            stream.write("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() + "\n")


def _row(result: Result) -> list[str]:
    """A line of the table for people: what can be relied upon, then its group and probability.

    Of a photo unlike those the model learned from it names no species.
    """
    if result.get("familiar") is False:
        return [result["file"], "unlike the photos it learned from", "", ""]
    said, species = result["answer"], result["species"]
    if said is None:
        best = sorted(result["probabilities"], key=lambda name: -result["probabilities"][name])[:2]
        return [result["file"], f"Not sure: {' or '.join(best)}", "", ""]
    text = species if said["rank"] == "species" else f"A {said['name']}, most likely {species}"
    return [result["file"], text, result["group"] or "", csv_tables.percent(said["probability"])]
