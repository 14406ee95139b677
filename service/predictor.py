"""Bytes → probabilities: decoding, batching and the model in service, put together. Knows no HTTP."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store.manifest import Species
from service.batcher import Batcher, Ran
from service.errors import DeadlinePassed, ModelFailed, NotReady
from service.images import Decoder
from service.registry import Model, Registry

log = logging.getLogger(__name__)
Row = NDArray[np.float32]


@dataclass(frozen=True)
class Prediction:
    """Probabilities of one image, the model they are of, and what they took."""

    model: Model
    probabilities: Row  # [species], in the manifest's order
    decode_s: float
    queue_s: float
    inference_s: float
    batch_size: int

    @property
    def species(self) -> Species:
        """The most probable species."""
        return self.model.manifest.species[int(self.probabilities.argmax())]


class Predictor:
    """Answers predictions with whichever model the registry holds at the time."""

    def __init__(
        self,
        registry: Registry,
        decoder: Decoder,
        *,
        max_batch: int,
        max_queue: int,
        batch_wait_s: float,
        deadline_s: float,
        on_batch: Callable[[Ran], None] | None = None,
        on_prediction: Callable[[Prediction], None] | None = None,
    ) -> None:
        self._registry, self._decoder = registry, decoder
        self._deadline_s = deadline_s
        self._report_batch, self._report_prediction = on_batch, on_prediction
        self._batcher = Batcher[Model, NDArray[np.uint8], Row](
            _infer, max_batch=max_batch, max_queue=max_queue, wait_s=batch_wait_s, on_batch=self._on_batch
        )
        self.failing = False  # the last batch had failures only

    def start(self) -> None:
        """Start the inference thread."""
        self._batcher.start()

    def close(self) -> None:
        """Turn away what waits, and end the threads."""
        self._batcher.close()
        self._decoder.close()

    @property
    def queued(self) -> int:
        """Images admitted and not yet in a forward pass."""
        return len(self._batcher)

    def check_room(self) -> None:
        """Whether an image would be admitted now, before its bytes are read. Raises QueueFull or NotReady."""
        self._model()
        self._batcher.check_room()

    def _model(self) -> Model:
        model = self._registry.current
        if model is None:
            raise NotReady(self._registry.error or "the model is still being loaded", retry_after_s=1)
        return model

    async def predict(self, image: bytes) -> Prediction:
        """Probabilities for the bytes of an image file.

        Raises QueueFull and NotReady at once, UnsupportedImage or UndecodableImage after decoding, DeadlinePassed, or
        ModelFailed. Cancelled, it gives its place back.
        """
        model = self._model()
        try:
            async with asyncio.timeout(self._deadline_s):
                with self._batcher.admit() as place:
                    decoded = await self._decoder.decode(image, model.size)
                    served = await place.submit(model, decoded.pixels)
        except TimeoutError:
            raise DeadlinePassed(f"no answer within {self._deadline_s:g} s; try again later", retry_after_s=self._deadline_s) from None
        prediction = Prediction(model, served.answer, decoded.decode_s, served.queue_s, served.inference_s, served.batch_size)
        if self._report_prediction is not None:
            self._report_prediction(prediction)
        return prediction

    def _on_batch(self, ran: Ran) -> None:
        if ran.failures:
            log.error("the model failed for %d of %d images", len(ran.failures), ran.size, exc_info=ran.failures[0])
        self.failing = len(ran.failures) == ran.size
        if self._report_batch is not None:
            self._report_batch(ran)


def _infer(model: Model, images: list[NDArray[np.uint8]]) -> list[Row | Exception]:
    rows = model.infer(np.stack(images))  # [n, species]
    finite: NDArray[np.bool_] = np.asarray(np.isfinite(rows).all(axis=1))
    return [row if good else ModelFailed("the model's answer is not a number") for row, good in zip(rows, finite, strict=True)]
