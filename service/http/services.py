"""The parts of one running service, built from its settings."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from models_store import store
from service.corrections import CorrectionService
from service.errors import NotReady
from service.http.uploads import Uploads
from service.inference.batcher import BatchReport
from service.inference.decoder import Decoder
from service.inference.detector import Detector
from service.inference.predictor import Prediction, Predictor, WantedCrop, Where
from service.inference.registry import Load, Model, Refusal, Registry
from service.inference.segmenter import Segmenter
from service.inference.shadow import Shadow
from service.process import memory
from service.process.api_keys import Keys
from service.process.heartbeat import Heartbeat
from service.process.metrics import UNMATCHED, Metrics
from service.process.other_workers import OtherWorkers
from service.process.shutdown import Shutdown
from service.settings import AUTO, Settings

_MEASURE_S = 0.5
Status = Literal["ready", "loading", "draining", "failed"]


@dataclass(frozen=True)
class Services:
    """What the routes work with."""

    settings: Settings
    shutdown: Shutdown
    keys: Keys
    metrics: Metrics
    uploads: Uploads
    registry: Registry[Model]
    seconds: Registry[Model] | None  # of the model that answers what is beyond the first one; None: no other is asked
    predictor: Predictor
    segmenters: Registry[Segmenter]
    detector: Detector
    shadow: Shadow | None  # None: no other version is compared with the one in service
    corrections: CorrectionService | None  # None: corrections are not kept
    parsing: asyncio.Semaphore  # a long JSON takes a thread, memory and now and then everybody's turn: one at a time
    heartbeat: Heartbeat  # of the event loop

    @property
    def second(self) -> Model | None:
        """The model that answers what is beyond the first one; None where none does."""
        first = self.registry.current
        return None if first is None else self.predictor.second_beside(first)

    @property
    def status(self) -> Status:
        """In one word, whether predictions can be answered."""
        if self.shutdown.draining:
            return "draining"
        if self.registry.current is None:
            return "failed" if self.registry.error else "loading"
        if self._second_is_loading:
            return "loading"
        return "failed" if self.predictor.failure or self.detector.failure or self.heartbeat.stopped else "ready"

    @property
    def live(self) -> bool:
        """Whether this process can still answer images, now or later; if not, only a new one helps."""
        return self.predictor.alive and self.detector.alive and not self.heartbeat.stopped

    @property
    def error(self) -> str | None:
        """All that is wrong: why images are not answered, why no better version is in service, or the second model, the segmenter, a new
        file of keys, or where corrections are kept."""
        parts = (self.predictor.failure, self.detector.failure) if self.registry.current else ()
        stopped = "the event loop stands still; restart the process" if self.heartbeat.stopped else None
        kept = None if self.corrections is None else self.corrections.error
        wrong = (stopped, *parts, self.registry.error, self._error_of_second, self.segmenters.error, self.keys.error, kept)
        return "; ".join(dict.fromkeys(filter(None, wrong))) or None

    @property
    def refused(self) -> list[tuple[str, Refusal]]:
        """The versions of the store that are not served, each with its model's name: of the first model, the second one, the segmenter."""
        settings = self.settings
        held = ((settings.model, self.registry), (settings.second, self.seconds), (settings.segmenter, self.segmenters))
        return [(name, one) for name, registry in held if name is not None and registry is not None for one in registry.refused]

    @property
    def _error_of_second(self) -> str | None:
        if self.seconds is None or self.seconds.error:
            return None if self.seconds is None else self.seconds.error
        first, second = self.registry.current, self.seconds.current
        if first is None or second is None or self.predictor.second_beside(first) is second:
            return None
        named = f"{second.manifest.name} {second.version} does not know the species of {first.manifest.name} {first.version}"
        return f"{named}, and is asked nothing; name another one in SEEDLINGS_SECOND_MODEL, or set it to none"

    @property
    def _second_is_loading(self) -> bool:
        return self.seconds is not None and not self.seconds.looked

    def check_both(self) -> None:
        """Raises NotReady while the second model is loaded for the first time: the first one alone answers some photos otherwise."""
        if self.registry.current is not None and self._second_is_loading:
            raise NotReady("the second model is still being loaded", retry_after_s=1)

    def check_open(self) -> None:
        """Whether a request can be taken now, before its body is read. Raises NotReady or QueueFull."""
        self._check_draining()
        self.check_both()
        self.predictor.check_room()

    def check_open_for_photos(self) -> None:
        """The same for a request whose plants are to be found and named."""
        self.check_open()
        self.detector.check_room()

    def check_open_for_segmenting(self) -> None:
        """The same for a request whose plants are to be found alone."""
        self._check_draining()
        self.detector.check_room()

    def _check_draining(self) -> None:
        if self.shutdown.draining:
            raise NotReady("the service is shutting down; ask another one", retry_after_s=1)

    def where(self, crop: WantedCrop) -> Where:
        """Where the predictor is to look. Checks that the request can be taken now. Raises NotReady or QueueFull."""
        if crop == "auto":
            self.check_open_for_photos()
            return self.detector.look
        self.check_open()
        return crop

    def turned_away(self, reason: str, status: int | None, total_s: float) -> None:
        """A connection got `status`, or nothing, before the application heard of its request."""
        self.metrics.rejected(reason)
        if status is not None:
            self.metrics.request(UNMATCHED, status, total_s)

    def start(self) -> None:
        """Start the threads; the model is loaded in the background."""
        self.keys.start()
        self.predictor.start()
        self.registry.start()
        if self.seconds is not None:
            self.seconds.start()
        self.detector.start()
        self.segmenters.start()
        if self.shadow is not None:
            self.shadow.start()
        if self.corrections is not None:
            self.corrections.start()

    async def measure(self, when_dead: Callable[[], object]) -> None:
        """Give the heartbeat, and keep the gauge of the queue true, whichever worker is asked for the metrics of all.

        `when_dead` is called once when this process can answer no image any more. Runs until it is cancelled.
        """
        told = False
        while True:
            self.heartbeat.beat()
            self.metrics.queue_length(self.predictor.queued)
            if not (self.live or told):
                told = True
                when_dead()
            await asyncio.sleep(_MEASURE_S)

    def close(self) -> None:
        """End the threads."""
        self.keys.close()
        if self.shadow is not None:
            self.shadow.close()
        self.registry.close()
        if self.seconds is not None:
            self.seconds.close()
        self.segmenters.close()
        self.detector.close()
        self.predictor.close()
        if self.corrections is not None:
            self.corrections.close()


def build_services(settings: Settings, load: Load[Model], load_segmenter: Load[Segmenter]) -> Services:
    """Put the parts together; nothing runs yet."""
    metrics = Metrics(settings.metrics_dir if settings.workers > 1 else None)
    registry, seconds = _classifiers(settings, load, metrics)
    segmenters = _segmenters(settings, load_segmenter, metrics)
    other_workers = OtherWorkers()

    def busy() -> bool:
        return predictor.busy or detector.busy or (settings.workers > 1 and other_workers.busy)

    def on_batch(ran: BatchReport) -> None:
        metrics.batch(ran.size, ran.inference_s, len(ran.failures))

    def on_prediction(given: Prediction, first: Prediction, of_part: bool) -> None:
        metrics.waited(given.queue_s)
        if of_part:  # a plant is no photo: most are beyond the first model, and would look like a drift of the photos
            return
        if given.decode_s:  # else pixels came
            metrics.decoded(given.decode_s)
        metrics.prediction(given.species.name, given.familiar, second=given.by_second, ood_ratio=first.ood_ratio)

    def on_segmented(ran: BatchReport) -> None:
        metrics.segmented(ran.inference_s, len(ran.failures))

    shadow = None if settings.shadow is None else Shadow(settings, busy=busy, report=metrics.shadowed)
    decoder = Decoder(settings.decoding_threads, settings.max_pixels)
    predictor = Predictor(
        registry,
        decoder,
        streams=settings.streams,
        batch_size=settings.batch_size,
        max_queue=settings.max_queue,
        batch_wait_s=settings.batch_wait_s,
        deadline_s=settings.deadline_s,
        on_batch=on_batch,
        on_prediction=on_prediction,
        shadow=None if shadow is None else shadow.offer,
        second=seconds,
    )
    detector = Detector(
        segmenters,
        predictor,
        decoder,
        max_queue=settings.max_queue,
        images_at_once=settings.images_at_once,
        deadline_s=settings.deadline_s,
        on_decoded=metrics.decoded,
        on_segmented=on_segmented,
        on_plants=metrics.plants,
    )
    return Services(
        settings,
        Shutdown(settings.grace_s),
        Keys(settings.api_key.get_secret_value() if settings.api_key else None, settings.keys_file),
        metrics,
        Uploads(settings.max_body_bytes, settings.max_buffered_bytes, settings.upload_timeout_s),
        registry,
        seconds,
        predictor,
        segmenters,
        detector,
        shadow,
        None if settings.database is None else CorrectionService(settings, decoder),
        asyncio.Semaphore(1),
        Heartbeat(),
    )


def _classifiers(settings: Settings, load: Load[Model], metrics: Metrics) -> tuple[Registry[Model], Registry[Model] | None]:
    """The model in service, and the second one where there is to be one."""

    def on_swap(model: Model) -> None:
        manifest = model.manifest
        metrics.loaded(manifest.name, manifest.version, model.runtime)
        familiarity = manifest.calibration.familiarity
        shares = {name: row.n / manifest.figures.n for name, row in manifest.figures.per_species.items()}
        metrics.expected(shares, None if familiarity is None else 1 - familiarity.validation_share)
        if second is not None:
            second.look_again()

    second: Registry[Model] | None = None
    first = Registry(
        load,
        settings.store,
        settings.model,
        version=settings.version,
        poll_s=settings.poll_s,
        on_swap=on_swap,
        on_refusal=metrics.refused,
        give_back_memory=memory.give_back,
    )
    if settings.second is not None:
        second = Registry(
            load,
            settings.store,
            settings.second,
            poll_s=settings.poll_s,
            setting="SEEDLINGS_SECOND_MODEL",
            expected=False,
            beside=first if settings.second_model == AUTO else None,
            on_swap=lambda model: metrics.loaded(model.manifest.name, model.manifest.version, model.runtime),
            on_withdrawal=lambda model: metrics.withdrawn(model.manifest.name),
            on_refusal=metrics.refused,
            give_back_memory=memory.give_back,
        )
    return first, second


def _segmenters(settings: Settings, load: Load[Segmenter], metrics: Metrics) -> Registry[Segmenter]:
    return Registry(
        load,
        settings.store,
        settings.segmenter,
        poll_s=settings.poll_s,
        read=store.open_segmenter,
        task="segmentation",
        setting="SEEDLINGS_SEGMENTER",
        expected=settings.segmenter != Settings.model_fields["segmenter"].default,
        on_swap=lambda segmenter: metrics.loaded(segmenter.manifest.name, segmenter.manifest.version, segmenter.runtime),
        on_refusal=metrics.refused,
        give_back_memory=memory.give_back,
    )
