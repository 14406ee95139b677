"""Each call as a request and the reading of its answer, the same for both clients. Sends nothing itself."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import unquote

import httpx

from .errors import NoAnswer, Problem, problem_of
from .generated.models import Answer, AnsweredPhoto, Detected, Health, PredictionBatch, RetentionPolicy, SpeciesList
from .version import __version__

Photo = bytes | str | os.PathLike[str]  # what an image file holds, or where it lies
Crop = Sequence[float] | Literal["auto", "centre"]  # x, y, width, height, in pixels of the upright photo; or around the plant
T = TypeVar("T")
TOO_LARGE = 413
_BATCH_PHOTOS, _BATCH_BYTES = 32, 8 * 2**20  # of one request


@dataclass(frozen=True)
class Explanation:
    """What raised the probability of a species on a photo."""

    png: bytes  # the square looked at, with a heat map
    species: str  # the one explained


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request, and how its answer is read."""

    method: str
    path: str
    read: Callable[[httpx.Response, bytes], T]
    options: dict[str, Any] = field(default_factory=dict)  # as httpx has them
    answers: tuple[int, ...] = (200,)  # statuses that are no refusal

    def result(self, response: httpx.Response, content: bytes) -> T:
        """What came back. Raises Problem or NoAnswer."""
        if response.status_code not in self.answers:
            if response.is_success or response.is_redirect:
                raise NoAnswer(f"{response.url} answers {response.status_code}, which this service never does; check the address")
            raise problem_of(response, content)
        try:
            return self.read(response, content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise NoAnswer(f"{response.url} answers, but not as version {__version__} of this service does; check the address") from error


def address(base_url: str) -> str:
    """The address of a service without a slash at its end. Raises ValueError."""
    if not base_url.startswith(("http://", "https://")):
        raise ValueError(f"{base_url!r} is no address of a service; it begins with http:// or https://")
    return base_url.rstrip("/")


def content_of(photo: Photo) -> bytes:
    """What an image file holds. Raises OSError."""
    return photo if isinstance(photo, bytes) else Path(photo).read_bytes()


def _octets(content: bytes, query: dict[str, Any]) -> dict[str, Any]:
    return {"content": content, "headers": {"Content-Type": "application/octet-stream"}, "params": _given(query)}


def _given(query: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value is not None}


def query(top_k: int | None, threshold: float | None, crop: Crop | None) -> dict[str, Any]:
    """What is asked of answers, as query parameters."""
    return {"top_k": top_k, "threshold": threshold, "crop": _text(crop)}


def _text(crop: Crop | None) -> str | None:
    if crop is None or isinstance(crop, str):
        return crop
    return ",".join(f"{value:.12g}" for value in crop)


def predict(content: bytes, query: dict[str, Any]) -> Call[Answer]:
    """The species on a photo."""
    return Call("POST", "/predict", lambda _, body: Answer.from_dict(json.loads(body)), _octets(content, query))


def detect(content: bytes, query: dict[str, Any]) -> Call[Detected]:
    """The plants on a photo."""
    return Call("POST", "/detect", lambda _, body: Detected.from_dict(json.loads(body)), _octets(content, query))


def detect_query(
    min_side: float | None,
    min_score: float | None,
    max_plants: int | None,
    masks: bool,
    fine: bool,
    top_k: int | None,
    threshold: float | None,
    prediction: Crop | None,
) -> dict[str, Any]:
    """What is asked of plants, as query parameters."""
    plants = {"min_side": min_side, "min_score": min_score, "max_plants": max_plants}
    looks = {"masks": "rle" if masks else None, "fine": "true" if fine else None}
    return plants | looks | {"top_k": top_k, "threshold": threshold, "prediction": _text(prediction)}


def explain(content: bytes, species: str | None, crop: Crop | None) -> Call[Explanation]:
    """What decided."""

    def read(response: httpx.Response, body: bytes) -> Explanation:
        return Explanation(body, unquote(response.headers["X-Species"]))

    return Call("POST", "/explain", read, _octets(content, {"species": species, "crop": _text(crop)}))


def predict_batch(contents: Sequence[bytes], query: dict[str, Any]) -> Call[list[Answer | Problem]]:
    """The species on each photo, or what is wrong with it."""
    files = [("files", (f"{i}", content, "application/octet-stream")) for i, content in enumerate(contents)]

    def read(response: httpx.Response, body: bytes) -> list[Answer | Problem]:
        request_id = response.headers.get("X-Request-ID")
        results = PredictionBatch.from_dict(json.loads(body)).results
        if len(results) != len(contents):
            raise ValueError
        return [one.prediction if isinstance(one, AnsweredPhoto) else Problem(one.problem.to_dict(), request_id) for one in results]

    return Call("POST", "/predict/batch", read, {"files": files, "params": _given(query)})


def species() -> Call[SpeciesList]:
    """What the model tells apart."""
    return Call("GET", "/species", lambda _, body: SpeciesList.from_dict(json.loads(body)))


def health() -> Call[Health]:
    """Whether predictions are answered; the service says so with two statuses."""
    return Call("GET", "/health", lambda _, body: Health.from_dict(json.loads(body)), answers=(200, 503))


def retention() -> Call[RetentionPolicy]:
    """What the service keeps of photos."""
    return Call("GET", "/corrections", lambda _, body: RetentionPolicy.from_dict(json.loads(body)))


def groups(photos: Iterable[Photo]) -> Iterator[list[Photo]]:
    """The photos in order, in as many requests as they need. Raises OSError."""
    group: list[Photo] = []
    room = _BATCH_BYTES
    for photo in photos:
        size = len(photo) if isinstance(photo, bytes) else Path(photo).stat().st_size
        if group and (size > room or len(group) == _BATCH_PHOTOS):
            yield group
            group, room = [], _BATCH_BYTES
        group.append(photo)
        room -= size
    if group:
        yield group
