"""Corrections in threads of their own, so that a slow database delays no prediction."""

import asyncio
import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from models_store import learnt, pixels
from service.errors import CorrectionChanged, CorrectionsUnavailable, MalformedRequest, QueueFull, QuotaUsed, UnknownCorrection
from service.inference.decoder import Decoder
from service.inference.predictor import Prediction, in_time
from service.settings import Settings

if TYPE_CHECKING:
    from corrections.errors import StorageUnavailable
    from corrections.metadata import Photo
    from corrections.records import StoredPrediction
    from corrections.store import CorrectionStore

T = TypeVar("T")
log = logging.getLogger(__name__)
_THREADS = 4  # as many as the database's connections
_MAX_WAITING = 32  # calls in hand; further ones are turned away
_RETRY_S = 5.0  # after the database did not answer
_SWEEP_S = 600.0


class CorrectionService:
    """The corrections of this service. The database may be away, at the start and later: only corrections suffer."""

    def __init__(self, settings: Settings, decoder: Decoder) -> None:
        """Connects to nothing yet. The settings name a database."""
        from corrections.database import Database
        from corrections.photos import PhotoFiles
        from corrections.store import CorrectionStore, Quota

        assert settings.database is not None
        assert settings.photos_url is not None
        quota = Quota(settings.max_kept_rows, settings.max_kept_bytes, settings.keep_days)
        self._corrections = CorrectionStore(Database(settings.database.get_secret_value()), PhotoFiles(settings.photos_url), quota)
        self._settings, self._decoder = settings, decoder
        self._pool = ThreadPoolExecutor(_THREADS, "corrections")
        self._minding = threading.Thread(target=self._mind, name="mind-corrections", daemon=True)
        self._closing = threading.Event()
        self._open = threading.Event()
        self._failure: StorageUnavailable | None = None  # of the last look at database and photos
        self._in_hand = 0
        self._candidate: _Candidate | None = None  # the one that is worth most of those not looked at yet
        self._asking: asyncio.Task[None] | None = None

    @property
    def error(self) -> str | None:
        """What is wrong with database or photos, for everybody to read; a few seconds old. None if nothing is."""
        failed = self._failure
        return None if failed is None else f"corrections: {failed.said}"

    def start(self) -> None:
        """Open the database and mind it, in the background."""
        self._minding.start()

    def close(self) -> None:
        """End the threads. A call in hand ends by its own deadline."""
        self._closing.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._minding.join(_RETRY_S)
        self._corrections.close()

    async def photo(self, body: bytes) -> "Photo":
        """An image file as it is kept. The caller has decoded it: it is one that is read here."""
        from corrections import metadata

        strip = metadata.as_sent if self._settings.keep_positions else metadata.stripped
        try:
            return await self._decoder.run(strip, body, self._settings.max_pixels)
        except pixels.PixelsError as error:
            raise MalformedRequest(f"the photo cannot be kept: {error}") from None

    def consider(self, image: bytes, prediction: Prediction, *, cropped: bool) -> None:
        """Keep a photo for a reviewer, perhaps, later, of which the answer was not sure. Returns at once and raises nothing.

        One is looked at at a time, so that answers do not wait for it; of those that come meanwhile the one worth most is next.
        """
        if not self._settings.ask or prediction.confident or not self._open.is_set():
            return
        candidate = _Candidate(image, prediction, cropped)
        if self._candidate is None or candidate.worth > self._candidate.worth:
            self._candidate = candidate
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask())

    async def _ask(self) -> None:
        from corrections import active_learning
        from corrections.records import NewCorrection

        while (candidate := self._candidate) is not None:
            self._candidate = None
            worth, a_day, crop = candidate.worth, self._settings.ask, candidate.prediction.crop
            try:
                if not await self.call(functools.partial(active_learning.is_worth_asking, worth=worth, a_day=a_day)):
                    continue
                seen = await self._decoder.decode(candidate.image, pixels.SIZE, crop)
                look = int(learnt.fingerprints(seen.pixels[None])[0])
                box = (crop.x, crop.y, crop.width, crop.height) if candidate.cropped else None
                new = NewCorrection(await self.photo(candidate.image), None, stored_prediction(candidate.prediction), box)
                await self.call(functools.partial(active_learning.ask, new=new, worth=worth, look=look, a_day=a_day))
            except Exception as error:  # whatever happens, the answer was given
                log.warning("a photo was not kept for a reviewer: %s", error)

    async def call(self, work: "Callable[[CorrectionStore], T]") -> T:
        """What `work` gives in a thread, in time.

        Raises CorrectionsUnavailable, QueueFull, DeadlinePassed, UnknownCorrection, CorrectionChanged, QuotaUsed or MalformedRequest.
        """
        if not self._open.is_set():
            failed = self._failure
            raise CorrectionsUnavailable("the database is still being opened" if failed is None else failed.said, retry_after_s=_RETRY_S)
        if self._in_hand >= _MAX_WAITING:
            raise QueueFull("too many corrections at once; try again later", retry_after_s=1)
        self._in_hand += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, functools.partial(_do, work, self._corrections))
        future.add_done_callback(self._done)
        async with in_time(self._settings.deadline_s):
            return await asyncio.shield(future)  # a thread cannot be stopped, and counts until it ends

    def _done(self, future: "asyncio.Future[T]") -> None:
        self._in_hand -= 1
        if not future.cancelled():
            future.exception()  # nobody may have waited for it

    def _mind(self) -> None:
        """Open the database, again and again until it answers; then see whether it still does, and remove what is waste or too old."""
        from corrections.errors import StorageUnavailable

        swept_s = -_SWEEP_S
        while not self._closing.is_set():
            try:
                if not self._open.is_set():
                    self._corrections.open()
                    self._open.set()
                self._corrections.check()
                if time.monotonic() - swept_s >= _SWEEP_S:
                    self._corrections.sweep()
                    swept_s = time.monotonic()
                self._failure = None
            except StorageUnavailable as error:
                self._fail(error)
            except Exception as error:  # whatever it is, it may be over the next time
                self._fail(StorageUnavailable("keeping corrections failed", f"{type(error).__name__}: {error}"))
            self._closing.wait(_RETRY_S)

    def _fail(self, error: "StorageUnavailable") -> None:
        """Say it once, and again where all was well meanwhile."""
        if str(self._failure) != str(error):
            log.warning("corrections: %s", error)
        self._failure = error


@dataclass(frozen=True)
class _Candidate:
    """A photo that a reviewer may be asked about."""

    image: bytes
    prediction: Prediction
    cropped: bool  # not the central square was looked at

    @property
    def worth(self) -> float:
        """How much its label would teach, 0 to 1: how unsure the answer is, or how far beyond the limit of familiar photos it lies."""
        ratio = self.prediction.ood_ratio
        strange = 1 - 1 / ratio if ratio else 0.0
        return max(1 - float(self.prediction.probabilities.max()), strange)


def stored_prediction(prediction: Prediction) -> "StoredPrediction":
    """What is kept of a prediction."""
    from corrections.records import StoredPrediction

    manifest = prediction.model.manifest
    return StoredPrediction(
        f"{manifest.name}/{prediction.model.version}",
        prediction.species.name,
        float(prediction.probabilities.max()),
        prediction.confident,
        prediction.distance,
        prediction.familiar,
    )


def _do(work: "Callable[[CorrectionStore], T]", corrections: "CorrectionStore") -> T:
    with as_service_errors():
        return work(corrections)


@contextlib.contextmanager
def as_service_errors() -> Iterator[None]:
    """What the package corrections raises, as errors of the service."""
    from corrections import errors

    try:
        yield
    except errors.CorrectionNotFound as error:
        raise UnknownCorrection(str(error)) from None
    except errors.VersionConflict as error:
        raise CorrectionChanged(str(error)) from None
    except errors.QuotaExceeded as error:
        raise QuotaUsed(str(error)) from None
    except errors.InvalidText as error:
        raise MalformedRequest(str(error)) from None
    except errors.StorageUnavailable as error:
        log.warning("corrections: %s", error)
        raise CorrectionsUnavailable(error.said, retry_after_s=_RETRY_S) from None
