"""The parts of one running service, built from its settings."""

from dataclasses import dataclass
from typing import Literal

from fastapi import Request

from service.images import Decoder
from service.predictor import Predictor
from service.registry import Load, Registry
from service.settings import Settings
from service.uploads import Limits

Status = Literal["ready", "loading", "draining", "failed"]


@dataclass
class Services:
    """What the routes work with."""

    settings: Settings
    registry: Registry
    predictor: Predictor
    draining: bool = False

    @property
    def status(self) -> Status:
        """In one word, whether predictions can be answered."""
        if self.draining:
            return "draining"
        if self.registry.current is None:
            return "failed" if self.registry.error else "loading"
        return "failed" if self.predictor.failing else "ready"

    @property
    def limits(self) -> Limits:
        """What a request body may cost."""
        return Limits(self.settings.max_body_bytes, self.settings.upload_timeout_s)

    def start(self) -> None:
        """Start the threads; the model is loaded in the background."""
        self.predictor.start()
        self.registry.start()

    def close(self) -> None:
        """End the threads."""
        self.registry.close()
        self.predictor.close()


def build(settings: Settings, load: Load) -> Services:
    """Put the parts together; nothing runs yet."""
    registry = Registry(load, settings.store, settings.model, version=settings.version, poll_s=settings.poll_s)
    predictor = Predictor(
        registry,
        Decoder(settings.decoding_threads, settings.max_pixels),
        max_batch=settings.max_batch,
        max_queue=settings.max_queue,
        batch_wait_s=settings.batch_wait_s,
        deadline_s=settings.deadline_s,
    )
    return Services(settings, registry, predictor)


def of(request: Request) -> Services:
    """The services of the application that got this request."""
    services = request.app.state.services
    assert isinstance(services, Services)
    return services
