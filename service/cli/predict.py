"""`python -m service predict`: classify photos from the command line, in this process or by a running service."""

import argparse
import asyncio
import contextlib
import datetime
import io
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from models_store import image_files
from models_store.manifest import Manifest, SegmenterManifest
from models_store.store import Opened
from service.answers import AnswerOptions, answer
from service.cli import csv_tables, plants, remote
from service.cli.csv_tables import Result
from service.cli.progress import Progress
from service.cli.remote import Look
from service.detections import detected
from service.errors import NotReady, ServiceError, UndecodableImage, problem
from service.http.services import Services, build_services
from service.inference import engine
from service.inference.detector import PHOTOS_AT_ONCE
from service.inference.fan_out import each
from service.inference.registry import Registry
from service.inference.segmenter import Segmenter
from service.process import logs, memory
from service.settings import BadSetting, Settings, from_environment, warnings

COLUMNS = (
    *("file", "answer", "answer_rank", "answer_probability"),
    *("species", "scientific_name", "group", "probability", "confident", "familiar"),
    *("second_species", "second_probability", "crop", "model", "date", "problem"),
)
_REMOTE_AT_ONCE = 8
_PATIENCE_S = 600.0


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns the exit status: 0 all photos were answered, 1 some were not, 2 a wrong call.

    Raises KeyboardInterrupt.
    """
    parser = argparse.ArgumentParser(prog="python -m service predict", description="Tells the species on photos.")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PHOTO|FOLDER", help="folders are searched for images, whole trees of them")
    parser.add_argument(
        "--url", help="ask a running service instead, such as http://localhost:8000; its key is read from SEEDLINGS_API_KEY"
    )
    parser.add_argument("--detect", action="store_true", help="find all plants on each photo, and tell the species of each")
    parser.add_argument(
        "--crop",
        choices=["auto", "centre"],
        help="what of a photo is looked at: the square around its largest plant, or the one in the middle (default: auto)",
    )
    parser.add_argument(
        "--format",
        choices=["table", "csv", "json", *plants.STYLES],
        default="table",
        help="what is written to stdout; coco and geojson with --detect (default: table)",
    )
    options = parser.parse_args(arguments)
    if sys.stdout is None:  # as Python has it where a shell has closed it
        parser.error("standard output is closed; give it a file or a terminal")
    logs.quiet_libraries()
    if options.format in plants.STYLES and not options.detect:
        parser.error(f"--format {options.format} is of the plants that --detect finds: add it")
    if options.crop and options.detect:
        parser.error("--crop is for one plant a photo; leave it out, --detect looks at all of them")
    look: Look = options.crop or "auto"
    try:
        photos, problems = find(options.paths)
        settings = from_environment(os.environ)
    except (FileNotFoundError, BadSetting) as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"{error.filename} cannot be listed ({error.strerror})")
    for sentence in warnings(os.environ):
        print(f"warning: {sentence}", file=sys.stderr)
    progress = Progress(len(photos), sys.stderr)
    try:
        masks = options.format == "coco" if options.detect else None
        if options.url:
            results = asyncio.run(_ask(options.url, photos, settings, progress, masks, look))
        elif masks is not None:
            results = asyncio.run(_detect(photos, settings, progress, masks))
        else:
            results = asyncio.run(_classify(photos, settings, progress, look))
    except (ServiceError, ValueError) as error:
        return _failure(error)
    finally:
        progress.close()
    try:
        (plants.write if options.detect else write)(results, options.format, _open(sys.stdout, options.format))
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough; what is left must not be tried again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _failure(f"the answers cannot be written ({error.strerror})")
    failed = [result for result in results if "problem" in result]
    if failed:
        print(f"{len(failed)} of {len(results)} photos were not answered:", file=sys.stderr)
        for result in failed:
            print(f"  {result['file']}: {result['problem']['detail']}", file=sys.stderr)
    for reason in problems:
        print(f"not looked at: {reason}", file=sys.stderr)
    for name in plants.without_position(results) if options.format == "geojson" else ():
        print(f"not on the map, since it does not say where it was taken: {name}", file=sys.stderr)
    return 1 if failed or problems else 0


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
                raise FileNotFoundError(f"{path} holds no photos ({image_files.NAMED})")
            found += inside.files
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(f"{path} does not exist")
    return found, problems


async def _classify(photos: list[Path], settings: Settings, progress: Progress, look: Look) -> list[Result]:
    """Results of the model in this process, through the batches of the service."""
    async with _running(settings) as services:
        if look == "auto":
            await _loaded(services.segmenters)

        async def one(photo: Path) -> Result:
            content = await _content(photo)
            return answer(await services.predictor.predict(content, crop=services.detector.look if look == "auto" else None))

        return await _each(one, photos, progress, at_once=settings.images_at_once)


async def _detect(photos: list[Path], settings: Settings, progress: Progress, masks: bool) -> list[Result]:
    """The plants on each photo, by the models in this process."""
    async with _running(settings) as services:
        await _loaded(services.segmenters)
        served = services.predictor.model().manifest

        async def one(photo: Path) -> Result:
            detection = await services.detector.detect(await _content(photo))
            return await asyncio.to_thread(detected, detection, served, AnswerOptions(), masks=masks)

        return await _each(one, photos, progress, at_once=PHOTOS_AT_ONCE)


@contextlib.asynccontextmanager
async def _running(settings: Settings) -> AsyncIterator[Services]:
    """The service's parts in this process, its classifier loaded. Raises NotReady."""
    memory.keep_freed()

    def load(opened: Opened[Manifest], _: Callable[[], bool]) -> engine.Engine:
        # Not warmed: here nobody waits for the first answer, and most batches are of one size.
        return engine.load_as_set(opened, settings, lambda: True)

    def load_segmenter(opened: Opened[SegmenterManifest], _: Callable[[], bool]) -> Segmenter:
        return engine.load_segmenter(opened, settings)

    only_answers = settings.model_copy(update={"deadline_s": _PATIENCE_S, "shadow": None, "database": None})
    running = build_services(only_answers, load, load_segmenter)
    running.start()
    try:
        await _loaded(running.registry)
        yield running
    finally:
        await asyncio.to_thread(running.close)


async def _loaded(registry: Registry[Any]) -> None:
    """Until a version is there. Raises NotReady where none will be."""
    while registry.current is None:
        if registry.error:
            raise NotReady(registry.error)
        await asyncio.sleep(0.02)


async def _ask(url: str, photos: list[Path], settings: Settings, progress: Progress, masks: bool | None, look: Look) -> list[Result]:
    """Results of the service at `url`. `masks` says whether they are wanted of the plants on each photo; None: no plants are."""
    key = settings.api_key.get_secret_value() if settings.api_key else None
    async with remote.connected(url, key, patience_s=_PATIENCE_S) as asking:

        async def one(photo: Path) -> Result:
            content = await _content(photo)
            return await (asking.predict(content, look) if masks is None else asking.detect(content, masks))

        return await _each(one, photos, progress, at_once=_REMOTE_AT_ONCE)


async def _each(one: Callable[[Path], Awaitable[Result]], photos: list[Path], progress: Progress, at_once: int) -> list[Result]:
    async def counted(photo: Path) -> Result:
        try:
            answered = await one(photo)
            return answered | {"date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
        finally:
            progress.step()

    outcomes = await each(counted, photos, at_once=at_once, patience_s=_PATIENCE_S)
    if isinstance(outcomes[0], ServiceError) and all(isinstance(one, ServiceError) and one.is_of_the_service for one in outcomes):
        raise outcomes[0]  # not the photos' fault
    return [
        {"file": image_files.printable(photo)} | ({"problem": problem(outcome)} if isinstance(outcome, ServiceError) else outcome)
        for photo, outcome in zip(photos, outcomes, strict=True)
    ]


async def _content(photo: Path) -> bytes:
    try:
        return await asyncio.to_thread(photo.read_bytes)
    except OSError as error:
        raise UndecodableImage(f"the file cannot be read ({error.strerror})") from None


def write(results: list[Result], style: str, stream: TextIO) -> None:
    """Write results as a table for people, as CSV or as JSON."""
    if style == "json":
        json.dump(results, stream, ensure_ascii=False, indent=1)
        stream.write("\n")
    elif style == "csv":
        csv_tables.write_csv(COLUMNS, map(_flat, results), stream)
    else:
        rows = [_row(result) for result in results if "problem" not in result]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(4)]
        for row in rows:
            stream.write("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() + "\n")


def _flat(result: Result) -> Result:
    """A result in columns."""
    return result if "problem" in result else csv_tables.flat(result) | {"crop": " ".join(map(str, result["crop"]))}


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
