"""The two clients: one waits, the other is for asyncio. What they have in common is in `requests` and `retries`."""

import asyncio
import dataclasses
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Self, TypeVar

import httpx

from . import requests
from .errors import Problem
from .generated.models import Answer, Detected, Health, RetentionPolicy, SpeciesList
from .requests import Call, Crop, Explanation, Photo
from .retries import BUSY, Attempts, Retries
from .turns import LATE, TaskTurns, ThreadTurns
from .version import __version__

T = TypeVar("T")


def _headers(api_key: str | None) -> dict[str, str]:
    return {"User-Agent": f"seedlings-client/{__version__}"} | ({"X-API-Key": api_key} if api_key else {})


class Client:
    """One service. Its methods may be called from any thread.

    Each call may raise a Problem, NoAnswer, or OSError if a photo cannot be read.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        tries: int = Retries.tries,
        deadline_s: float = Retries.deadline_s,
        timeout_s: float = Retries.timeout_s,
        again: Collection[int] = BUSY,
        at_once: int | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        """A service that is busy or starting is asked again after the seconds it names, `tries` times at most, for `deadline_s`
        in all. `timeout_s` is for a single try without a sign of life. `again` are the statuses that say that it is busy. `at_once`: of so
        many photos at one time at most, those of all threads and tasks together; of any number unless given. After an answer that came
        too late (504) it is one, and more by and by; what was late is tried once more, alone. `http` is a client of your own, for its
        certificates or proxies; it stays open. Raises ValueError for an address that is none.
        """
        self._url = requests.address(base_url)
        self._retries = Retries(tries, deadline_s, timeout_s, again)
        self._of_photos = dataclasses.replace(self._retries, again=[status for status in again if status != LATE])
        self._turns = ThreadTurns(at_once)
        self._headers = _headers(api_key)
        self._http, self._own = http or httpx.Client(), http is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        if self._own:
            self._http.close()

    def predict(self, photo: Photo, *, top_k: int | None = None, threshold: float | None = None, crop: Crop | None = None) -> Answer:
        """The species on a photo.

        `top_k`: only so many probabilities. `threshold`: what `answer` says has this probability at least. `crop`: what is
        looked at: `"auto"`, the square around the largest plant, or x, y, width and height in pixels of the upright photo; the central
        square unless given.
        """
        return self._ask(requests.predict(requests.content_of(photo), requests.query(top_k, threshold, crop)))

    def predict_batch(
        self, photos: Iterable[Photo], *, top_k: int | None = None, threshold: float | None = None, crop: Crop | None = None
    ) -> list[Answer | Problem]:
        """For each photo, in order, the species on it, or what is wrong with it. There may be any number of photos."""
        query = requests.query(top_k, threshold, crop)
        results: list[Answer | Problem] = []
        for group in requests.groups(photos):
            results += self._batch([requests.content_of(photo) for photo in group], query)
        return results

    def detect(
        self,
        photo: Photo,
        *,
        min_side: float | None = None,
        min_score: float | None = None,
        max_plants: int | None = None,
        masks: bool = False,
        fine: bool = False,
        top_k: int | None = None,
        threshold: float | None = None,
        prediction: Crop | None = None,
    ) -> Detected:
        """The plants on a photo, each boxed and named.

        `min_side`: leave out plants whose longer side is under so many pixels; 1% of the photo's width unless given. `min_score`: leave out
        those with a lower `score`, 0 to 1. `max_plants`: of the largest so many. `masks`: each with its `segmentation`. `fine`: look at
        thin leaves of a large photo from nearer at up to 192 places, not at 12; it takes up to two fifths of the service's deadline.
        `top_k` and `threshold` as of `predict`. `prediction`: the answer to the photo as a whole, too, looked at here as by the `crop` of
        `predict`.
        """
        query = requests.detect_query(min_side, min_score, max_plants, masks, fine, top_k, threshold, prediction)
        return self._ask(requests.detect(requests.content_of(photo), query))

    def explain(self, photo: Photo, *, species: str | None = None, crop: Crop | None = None) -> Explanation:
        """What raised the probability of a species, the most probable one if none is named."""
        return self._ask(requests.explain(requests.content_of(photo), species, crop))

    def species(self) -> SpeciesList:
        """The species that the model in service tells apart, and how well."""
        return self._ask(requests.species())

    def health(self) -> Health:
        """Whether predictions are answered, and by which model."""
        return self._ask(requests.health())

    def retention(self) -> RetentionPolicy:
        """What the service keeps of photos, so that it can be said before one is sent."""
        return self._ask(requests.retention())

    def _batch(self, contents: Sequence[bytes], query: dict[str, Any]) -> list[Answer | Problem]:
        try:
            results = self._ask(requests.predict_batch(contents, query))
        except Problem as problem:
            if problem.status != requests.TOO_LARGE:
                raise
            if len(contents) == 1:
                return [problem]
            half = len(contents) // 2
            return self._batch(contents[:half], query) + self._batch(contents[half:], query)
        return [self._again(content, query, result) for content, result in zip(contents, results, strict=True)]

    def _again(self, content: bytes, query: dict[str, Any], result: Answer | Problem) -> Answer | Problem:
        """The result of a photo; asked for once more if the service was too busy for just this one."""
        if isinstance(result, Answer) or result.status not in self._retries.again:
            return result
        try:
            return self._ask(requests.predict(content, query))
        except Problem as problem:
            return problem

    def _ask(self, call: Call[T]) -> T:
        if call.method == "GET":  # not of a photo
            return self._tried(call, Attempts(self._retries, self._url))
        attempts = Attempts(self._of_photos, self._url)
        while True:
            try:
                with self._turns.next(attempts.check) as alone:
                    return self._tried(call, attempts)
            except Problem as problem:
                if problem.status != LATE or LATE not in self._retries.again or alone or attempts.spent:
                    raise

    def _tried(self, call: Call[T], attempts: Attempts) -> T:
        while True:
            try:
                return self._try(call, attempts)
            except (Problem, httpx.TransportError) as error:
                pause_s = attempts.pause_s(error)
            time.sleep(pause_s)

    def _try(self, call: Call[T], attempts: Attempts) -> T:
        timeout, options = attempts.begin(), call.options
        headers = self._headers | options.get("headers", {})
        with self._http.stream(call.method, self._url + call.path, timeout=timeout, **options | {"headers": headers}) as response:
            content = bytearray()
            for piece in response.iter_bytes():
                content += piece
                attempts.check()  # a timeout is for each piece
            return call.result(response, bytes(content))


class AsyncClient:
    """As `Client`, for asyncio."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        tries: int = Retries.tries,
        deadline_s: float = Retries.deadline_s,
        timeout_s: float = Retries.timeout_s,
        again: Collection[int] = BUSY,
        at_once: int | None = None,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        """As of `Client`."""
        self._url = requests.address(base_url)
        self._retries = Retries(tries, deadline_s, timeout_s, again)
        self._of_photos = dataclasses.replace(self._retries, again=[status for status in again if status != LATE])
        self._turns = TaskTurns(at_once)
        self._headers = _headers(api_key)
        self._http, self._own = http or httpx.AsyncClient(), http is None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        if self._own:
            await self._http.aclose()

    async def predict(self, photo: Photo, *, top_k: int | None = None, threshold: float | None = None, crop: Crop | None = None) -> Answer:
        """As `Client.predict`."""
        content = await asyncio.to_thread(requests.content_of, photo)
        return await self._ask(requests.predict(content, requests.query(top_k, threshold, crop)))

    async def predict_batch(
        self, photos: Iterable[Photo], *, top_k: int | None = None, threshold: float | None = None, crop: Crop | None = None
    ) -> list[Answer | Problem]:
        """As `Client.predict_batch`."""
        query = requests.query(top_k, threshold, crop)
        results: list[Answer | Problem] = []
        for group in requests.groups(photos):
            contents = [await asyncio.to_thread(requests.content_of, photo) for photo in group]
            results += await self._batch(contents, query)
        return results

    async def detect(
        self,
        photo: Photo,
        *,
        min_side: float | None = None,
        min_score: float | None = None,
        max_plants: int | None = None,
        masks: bool = False,
        fine: bool = False,
        top_k: int | None = None,
        threshold: float | None = None,
        prediction: Crop | None = None,
    ) -> Detected:
        """As `Client.detect`."""
        content = await asyncio.to_thread(requests.content_of, photo)
        return await self._ask(
            requests.detect(content, requests.detect_query(min_side, min_score, max_plants, masks, fine, top_k, threshold, prediction))
        )

    async def explain(self, photo: Photo, *, species: str | None = None, crop: Crop | None = None) -> Explanation:
        """As `Client.explain`."""
        return await self._ask(requests.explain(await asyncio.to_thread(requests.content_of, photo), species, crop))

    async def species(self) -> SpeciesList:
        """As `Client.species`."""
        return await self._ask(requests.species())

    async def health(self) -> Health:
        """As `Client.health`."""
        return await self._ask(requests.health())

    async def retention(self) -> RetentionPolicy:
        """As `Client.retention`."""
        return await self._ask(requests.retention())

    async def _batch(self, contents: Sequence[bytes], query: dict[str, Any]) -> list[Answer | Problem]:
        try:
            results = await self._ask(requests.predict_batch(contents, query))
        except Problem as problem:
            if problem.status != requests.TOO_LARGE:
                raise
            if len(contents) == 1:
                return [problem]
            half = len(contents) // 2
            return await self._batch(contents[:half], query) + await self._batch(contents[half:], query)
        return [await self._again(content, query, result) for content, result in zip(contents, results, strict=True)]

    async def _again(self, content: bytes, query: dict[str, Any], result: Answer | Problem) -> Answer | Problem:
        if isinstance(result, Answer) or result.status not in self._retries.again:
            return result
        try:
            return await self._ask(requests.predict(content, query))
        except Problem as problem:
            return problem

    async def _ask(self, call: Call[T]) -> T:
        if call.method == "GET":
            return await self._tried(call, Attempts(self._retries, self._url))
        attempts = Attempts(self._of_photos, self._url)
        while True:
            try:
                async with self._turns.next(attempts.check) as alone:
                    return await self._tried(call, attempts)
            except Problem as problem:
                if problem.status != LATE or LATE not in self._retries.again or alone or attempts.spent:
                    raise

    async def _tried(self, call: Call[T], attempts: Attempts) -> T:
        while True:
            try:
                return await self._try(call, attempts)
            except (Problem, httpx.TransportError) as error:
                pause_s = attempts.pause_s(error)
            await asyncio.sleep(pause_s)

    async def _try(self, call: Call[T], attempts: Attempts) -> T:
        timeout, options = attempts.begin(), call.options
        headers = self._headers | options.get("headers", {})
        async with self._http.stream(call.method, self._url + call.path, timeout=timeout, **options | {"headers": headers}) as response:
            content = bytearray()
            async for piece in response.aiter_bytes():
                content += piece
                attempts.check()
            return call.result(response, bytes(content))
