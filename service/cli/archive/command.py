"""`predict … --out RESULTS`: an archive of photos becomes a folder of parts, by this process or by a cluster."""

import importlib.util
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from models_store import installing, interrupt
from service.cli.archive import reading, sources, tables
from service.cli.archive.engines import Cluster, Engine, Failed, Identity, Task
from service.cli.archive.photos import Photos, TooManyPhotos
from service.cli.archive.reading import BadSource
from service.cli.archive.results import SUMMARY, NotWritten, Part, Refused, Results
from service.cli.progress import Progress
from service.errors import ServiceError
from service.inference.detector import DetectionOptions
from service.settings import Settings

BLOCK = 256  # photos of a part, unless said otherwise
_SCHEMA = 1
_READERS = 16  # parts that are read at a time: an object store takes some hundredths of a second for each
_MOST_TOLD = 20  # lines about what was not looked at
_NO_SWAPS_S = 1e9  # the model stays as it is: its version stands in the manifest of the results


class WrongCall(ValueError):
    """The arguments cannot be; the message says what to do."""


class _Work:
    """Keeps the parts, counts the photos and shows how far it is."""

    def __init__(self, photos: Photos, results: Results, described: dict[str, Any], *, retry: bool) -> None:
        self._photos, self._results, self._described, self._retry = photos, results, described, retry
        self._progress: Progress | None = None
        self.problems: dict[int, int] = {}  # of the parts that are there
        self.wanted = 0  # photos that are to be looked at now
        self.truncated: dict[int, int] = {}  # of the parts written now: photos with more plants than are listed

    def begin(self, models: Identity) -> list[int]:
        there = sorted(self._results.begin(self._described | models))
        with ThreadPoolExecutor(_READERS) as readers:
            found = dict(zip(there, readers.map(self._results.problems, there), strict=True))
        self.problems = {number: count for number, count in found.items() if not (count and self._retry)}
        wanted = [number for number in range(self._photos.blocks) if number not in self.problems]
        self.wanted = sum(map(self._photos.size, wanted))
        done = f", of which {len(self.problems)} finished before" if self.problems else ""
        again = f", {len(found) - len(self.problems)} tried again" if len(found) > len(self.problems) else ""
        self.tell(f"{_size(self._photos)}{done}{again}")
        self._progress = Progress(max(1, self.wanted), sys.stderr)
        return wanted

    def write(self, number: int, part: Part) -> None:
        self._results.write(number, part)
        self.problems[number] = part.problems
        self.truncated[number] = part.truncated

    def step(self, photos: int) -> None:
        assert self._progress is not None
        self._progress.step(photos)

    def tell(self, sentence: str) -> None:
        print(sentence, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._progress is not None:
            self._progress.close()


def run(options: Namespace, settings: Settings, look: Any, plants: DetectionOptions | None) -> int:
    """Run the command. `plants` says what is wanted of those on each photo; None: it is one plant.

    Returns the exit status: 0 all photos were answered, 1 some were not. Raises WrongCall, KeyboardInterrupt.
    """
    kind = _kind(options.format, options.out)
    cluster = _cluster(options)
    _check_place(options.out)
    try:
        photos, problems = sources.find(options.sources, options.block or BLOCK)
        results = Results(options.out, kind)
    except (BadSource, TooManyPhotos, FileNotFoundError, Refused) as error:
        raise WrongCall(str(error)) from None
    except OSError as error:
        raise WrongCall(f"{error.filename} cannot be listed ({error.strerror})") from None
    task = Task(plants, look, kind, os.getcwd())
    work = _Work(photos, results, _described(photos, options.block or BLOCK, task, settings), retry=options.retry)
    kept = settings.model_copy(update={"poll_s": _NO_SWAPS_S, "api_key": None, "keys_file": None, "workers": 1})
    try:
        with interrupt.within_a_second(f"{interrupt.MESSAGE}; the same command goes on after the parts that are finished"):
            _engine(cluster)(kept, task, photos, work)
        failed = sum(work.problems.values())
        results.write_text(SUMMARY, {"photos": len(photos), "parts": photos.blocks, "unanswered": failed})
    except Refused as error:
        raise WrongCall(str(error)) from None
    except (ServiceError, NotWritten, Failed) as error:
        work.close()
        work.tell(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        work.close()
        work.tell(f"{len(work.problems)} of {photos.blocks} parts are finished; the same command goes on from there")
        raise
    finally:
        work.close()
    return _told(work, photos, failed, problems)


def _engine(cluster: Cluster | None) -> Engine:
    """Imported when it is asked for: Ray is optional."""
    if cluster is None:
        from service.cli.archive import local

        return local.run
    from service.cli.archive import on_ray

    return on_ray.on(cluster)


def _size(photos: Photos) -> str:
    """In words, such as "300 photos in 2 parts"."""
    count, blocks = len(photos), photos.blocks
    return f"{count} photo{'s' * (count != 1)} in {blocks} part{'s' * (blocks != 1)}"


def _told(work: _Work, photos: Photos, failed: int, problems: Sequence[str]) -> int:
    work.tell(f"{_size(photos)}, {work.wanted} of them looked at now")
    if failed:
        work.tell(f"{failed} of {len(photos)} photos were not answered; the column 'problem' of their rows says why")
        work.tell("with --retry the same command tries them again")
    if more := sum(work.truncated.values()):
        work.tell(f"of those looked at now, photos with more plants than are listed: {more}; see --max-plants, and the column 'truncated'")
    for reason in problems[:_MOST_TOLD]:
        work.tell(f"not looked at: {reason}")
    if len(problems) > _MOST_TOLD:
        work.tell(f"not looked at: {len(problems) - _MOST_TOLD} more")
    return 1 if failed or problems else 0


def _kind(style: str | None, out: str) -> tables.Kind:
    if out.lower().endswith((".csv", ".parquet")):
        raise WrongCall(
            f"--out names a folder, in which there is a part for each block of photos; leave out the suffix of {out}, and give"
            " --format parquet or --format csv. For one file without parts leave out --out: --format csv > FILE"
        )
    if style in (None, "parquet"):
        if importlib.util.find_spec("pyarrow") is None:
            hint = installing.command("seedlings[archive]")
            raise WrongCall(f"Parquet needs pyarrow; say --format csv, or run: {hint}")
        return "parquet"
    if style != "csv":
        raise WrongCall(f"--out takes --format parquet or csv; for {style} leave out --out")
    return "csv"


def _cluster(options: Namespace) -> Cluster | None:
    if options.engine == "local":
        for name in ("address", "workers", "worker_cpus"):
            if getattr(options, name) is not None:
                raise WrongCall(f"--{name.replace('_', '-')} works only with --engine ray: add that")
        return None
    if importlib.util.find_spec("ray") is None:
        raise WrongCall(f"--engine ray needs Ray; run: {installing.command('seedlings[ray]')}")
    return Cluster(options.address, options.workers, options.worker_cpus)


def _check_place(out: str) -> None:
    kind = reading.scheme(out)
    if kind in reading.WEB:
        raise WrongCall(f"results cannot be written to {kind}://; name a folder, s3://… or gs://…")
    try:
        reading.check_scheme(out)
    except BadSource as error:
        raise WrongCall(f"--out: {error}") from None


def _described(photos: Photos, block: int, task: Task, settings: Settings) -> dict[str, Any]:
    """All that decides what the rows say, beside the models."""
    return {
        "schema": _SCHEMA,
        "photos": len(photos),
        "list_sha256": photos.sha256(),
        "block": block,
        "format": task.kind,
        "columns": list(tables.columns(detect=task.detect)),
        "detect": task.detect,
        "crop": None if task.detect else task.look,
        **({} if task.plants is None else {"max_plants": task.plants.max_plants, "fine": task.plants.fine}),
        "settings": settings.model_dump(mode="json", include={"precision", "runtime", "max_pixels", "max_body_bytes"}),
    }
