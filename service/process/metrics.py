"""What Prometheus sees, by its official client; right with several workers too, which share a folder of counters."""

import contextlib
import functools
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, ParamSpec

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, exposition, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from service.errors import NotReady

log = logging.getLogger(__name__)
Arguments = ParamSpec("Arguments")
CONTENT_TYPE = exposition.CONTENT_TYPE_LATEST
UNMATCHED = "unmatched"  # the route of a request that no route takes
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_SHARED = ("counter", "histogram", "gauge_livemin", "gauge_livesum")  # what the client library begins the names of its files with
_SHARED_BYTES = 1 << 20  # of each: what the library takes at first, room for thousands of species
_RATIOS = (0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 4.0)
_DISTANCES = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_JUDGED = ("right", "wrong")
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def _never_raises(measure: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """If a measurement cannot be kept, such as on a full disk, it is logged and lost. The work that it measures goes on."""

    @functools.wraps(measure)
    def kept(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        try:
            measure(*arguments, **named)
        except Exception as error:
            log.error("a measurement was lost: %s", error)  # noqa: TRY400  (a traceback for each request would drown the log)

    return kept


class Metrics:
    """All measurements of one process. To take one raises nothing.

    `directory` is where several workers keep theirs (PROMETHEUS_MULTIPROC_DIR, set before this process started), None
    for a process by itself. If its disk has no room, this worker's are left out of what all workers show.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        if directory is None or not _reserve(directory):
            values.ValueClass = values.MutexValue  # as in a process by itself, whatever its environment says
        self._registry = registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str, over_workers: Literal["livemin", "livesum"]) -> Gauge:
            return Gauge(name, text, labels, multiprocess_mode=over_workers, registry=registry)

        def histogram(name: str, text: str, *labels: str, buckets: Sequence[float] = _SECONDS) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=registry)

        self._requests = counter("seedlings_requests", "Requests answered", "route", "status")
        self._of_keys = counter("seedlings_key_requests", "Requests answered, by the name of their key", "key", "status")
        self._rejected = counter("seedlings_rejected", "Requests and images not answered, by reason", "reason")
        self._request = histogram("seedlings_request_seconds", "From the first byte of a request to the last of its answer", "route")
        self._decode = histogram("seedlings_decode_seconds", "Decoding of an image")
        self._queue = histogram("seedlings_queue_seconds", "An image's wait for its batch")
        self._length = gauge("seedlings_queue_length", "Images admitted, not yet running", over_workers="livesum")
        self._inference = histogram("seedlings_inference_seconds", "A forward pass of one batch")
        self._batch = histogram("seedlings_batch_size", "Images in a forward pass", buckets=_SIZES)
        self._segmentation = histogram("seedlings_segmentation_seconds", "Finding what is plant on one photo")
        self._species = counter("seedlings_predictions", "Answers by species", "species")
        text = "Plants found on photos, by the species that can be relied upon; clumps and the others, unnamed, as such"
        self._plants = counter("seedlings_plants", text, "species", "unnamed")
        self._unfamiliar = counter("seedlings_unfamiliar", "Images unlike those that the answering model was trained on")
        self._second = counter("seedlings_second_model", "Images that the second model answered: they are beyond the first one")
        text = "Distance of an image from those that the first model was trained on, as a share of the limit of familiar ones"
        self._ood_ratio = histogram("seedlings_ood_ratio", text, buckets=_RATIOS)
        text = "Share of the species among the images on which the version in service was measured"
        self._expected = gauge("seedlings_expected_share", text, "species", over_workers="livemin")
        text = "Share of the validation images that the version in service finds unfamiliar; negative where it cannot tell"
        self._expected_unfamiliar = gauge("seedlings_expected_unfamiliar_share", text, over_workers="livemin")
        self._expected_species: set[str] = set()
        text = "Answers that a person judged, by the species that the model had named and whether it was right"
        self._corrections = counter("seedlings_corrections", text, "species", "outcome")
        text = "Images shown to the shadow, by whether it names the species that was answered"
        self._shadow = counter("seedlings_shadow_images", text, "version", "shadow", "outcome")
        text = "How far the shadow's probability of the species that was answered is from the one that was answered"
        self._shadow_distance = histogram("seedlings_shadow_distance", text, "version", "shadow", buckets=_DISTANCES)
        self._failures = counter("seedlings_model_failures", "Images for which the model failed")
        self._swaps = counter("seedlings_model_loads", "Versions taken into service or refused", "outcome")
        for outcome in ("served", "refused"):
            self._swaps.labels(outcome)  # at 0: Prometheus sees no increase in a counter that begins at 1
        text = "Version in service; the oldest one of all workers"
        self._version = gauge("seedlings_model_version", text, "model", over_workers="livemin")
        text = "Workers in which this runtime answers for the model"
        self._runtime = gauge("seedlings_model_runtime", text, "model", "runtime", over_workers="livesum")
        self._runtimes: dict[str, str] = {}  # model → what answers for it

    @_never_raises
    def request(self, route: str, status: int, total_s: float, key: str | None = None) -> None:
        """One request was answered; `key` is the name of its key."""
        self._requests.labels(route, str(status)).inc()
        self._request.labels(route).observe(total_s)
        if key is not None:
            self._of_keys.labels(key, str(status)).inc()

    @_never_raises
    def prediction(self, species: str, familiar: bool | None, *, second: bool = False, ood_ratio: float | None = None) -> None:
        """One photo was answered, perhaps by the second model; `ood_ratio` is the first one's distance over its limit of familiar ones."""
        if second:
            self._second.inc()
        if ood_ratio is not None:
            self._ood_ratio.observe(ood_ratio)
        self._species.labels(species).inc()
        if familiar is False:
            self._unfamiliar.inc()

    @_never_raises
    def decoded(self, decode_s: float) -> None:
        """One photo was decoded."""
        self._decode.observe(decode_s)

    @_never_raises
    def waited(self, queue_s: float) -> None:
        """One image waited for its batch."""
        self._queue.observe(queue_s)

    @_never_raises
    def batch(self, size: int, inference_s: float, failures: int) -> None:
        """One batch has run."""
        self._batch.observe(size)
        self._inference.observe(inference_s)
        self._failures.inc(failures)

    @_never_raises
    def segmented(self, segmentation_s: float, failures: int) -> None:
        """On one photo plants were looked for."""
        self._segmentation.observe(segmentation_s)
        self._failures.inc(failures)

    @_never_raises
    def plants(self, found: Mapping[tuple[str, bool], int]) -> None:
        """Plants were found: so many of a species (True), or of what a word such as `clump` says (False)."""
        for (name, is_species), count in found.items():
            self._plants.labels(name, "" if is_species else "true").inc(count)  # an empty label is none to Prometheus

    @_never_raises
    def corrected(self, species: str, right: bool) -> None:
        """A person said what a photo shows, of which the model had named `species`."""
        self._corrections.labels(species, _JUDGED[not right]).inc()

    @_never_raises
    def shadowed(self, version: str, shadow: str, outcome: str, distance: float | None) -> None:
        """One image was shown to the shadow, or was to be."""
        self._shadow.labels(version, shadow, outcome).inc()
        if distance is not None:
            self._shadow_distance.labels(version, shadow).observe(distance)

    def compared(self, version: str, shadow: str) -> dict[str, int]:
        """Outcome → images that were shown to the shadow beside this version, over all workers, since the service started.

        Raises NotReady, as `render` does.
        """
        found: dict[str, int] = {}
        for metric in self._all_workers() if self._directory else self._shadow.collect():
            for sample in metric.samples:
                labels = sample.labels
                if sample.name == "seedlings_shadow_images_total" and (labels["version"], labels["shadow"]) == (version, shadow):
                    found[labels["outcome"]] = int(sample.value)
        return found

    @_never_raises
    def rejected(self, reason: str) -> None:
        """A request, or one image of it, was not answered."""
        self._rejected.labels(reason).inc()

    @_never_raises
    def loaded(self, model: str, version: int, runtime: str) -> None:
        """A version was taken into service, and that runtime answers for it."""
        self._swaps.labels("served").inc()
        self._version.labels(model).set(version)
        if model in self._runtimes:
            self._runtime.labels(model, self._runtimes[model]).set(0)
        self._runtime.labels(model, runtime).set(1)
        self._runtimes[model] = runtime

    @_never_raises
    def withdrawn(self, model: str) -> None:
        """No version of this model answers any more."""
        if model in self._runtimes:
            self._runtime.labels(model, self._runtimes.pop(model)).set(0)

    @_never_raises
    def expected(self, shares: Mapping[str, float], unfamiliar: float | None) -> None:
        """How often the version in service is to name each species, and to find a photo unfamiliar, where photos are as in training."""
        for name in self._expected_species - shares.keys():
            self._expected.labels(name).set(0)  # of a version before
        for name, share in shares.items():
            self._expected.labels(name).set(share)
            self._species.labels(name)  # at 0, as above: few corrections would count for none
            for outcome in _JUDGED:
                self._corrections.labels(name, outcome)
        self._expected_species |= shares.keys()
        self._expected_unfamiliar.set(-1 if unfamiliar is None else unfamiliar)

    @_never_raises
    def refused(self) -> None:
        """A version was refused."""
        self._swaps.labels("refused").inc()

    def render(self, queue_length: int) -> bytes:
        """The text that Prometheus reads, over all workers; `queue_length` is this worker's of the moment.

        Raises NotReady where what the workers share cannot be read: one worker's numbers would pass for those of all.
        """
        self.queue_length(queue_length)
        if self._directory is None:
            return exposition.generate_latest(self._registry)
        with _readable():
            _bury(self._directory)
            shared = CollectorRegistry()
            MultiProcessCollector(shared, str(self._directory))  # type: ignore[no-untyped-call]
            return exposition.generate_latest(shared)

    def _all_workers(self) -> Iterable[Metric]:
        with _readable():
            files = [str(file) for file in Path(self._directory or "").glob("counter_*.db")]
            return list(MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]

    @_never_raises
    def queue_length(self, length: int) -> None:
        """Places taken now."""
        self._length.set(length)


@contextlib.contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise NotReady(f"the folder of the workers' measurements cannot be read ({error}); restart the service") from error


def _reserve(directory: Path) -> bool:
    """Take the disk space of this process' files before the client library maps them. False, and a line in the log, where there is none.

    A mapped page that finds no space on the disk ends the process (SIGBUS), and no handler of errors is asked.
    """
    files = [directory / f"{kind}_{os.getpid()}.db" for kind in _SHARED]
    try:
        for file in files:
            with file.open("ab") as stream:
                os.posix_fallocate(stream.fileno(), 0, _SHARED_BYTES)
    except OSError as error:
        for file in files:
            file.unlink(missing_ok=True)
        advice = "so /metrics leaves it out; free space and restart"
        log.error("%s: no room for this worker's measurements (%s), %s", directory, error.strerror, advice)  # noqa: TRY400
        return False
    return True


def _bury(directory: Path) -> None:
    """Forget the gauges of workers that died without saying so."""
    for file in directory.glob("gauge_live*_*.db"):
        pid = file.stem.rpartition("_")[2]
        with contextlib.suppress(ValueError, PermissionError):
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                mark_process_dead(int(pid), str(directory))  # type: ignore[no-untyped-call]
