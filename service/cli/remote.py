"""Asks a running service, by the project's own client."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Literal, Protocol, TypeVar

from models_store import installing
from service.errors import NotReady, ServiceError

Look = Literal["auto", "centre"]  # where: at the largest plant, or at the middle
_TRIES = 600  # as long as the deadline lasts
_BUSY, _LATE = (429, 503), 504  # statuses
_IN_TIME = 4  # answers in a row before one more photo is asked for at one time; twice as many after each time that was too much
Answered = TypeVar("Answered")


class RemoteService(Protocol):
    """What asks a service. It raises RemoteProblem or NotReady."""

    species: list[dict[str, Any]]  # that the model in service tells apart, as of `GET /species`

    async def predict(self, image: bytes, look: Look) -> dict[str, Any]:
        """The answer to the bytes of an image file, as of `POST /predict`."""

    async def detect(self, image: bytes, masks: bool, max_plants: int, fine: bool) -> dict[str, Any]:
        """The same of `POST /detect`."""

    async def retention(self) -> str | None:
        """What the service keeps of photos sent to `predict`, to be said before one is; None where it keeps none."""


class RemoteProblem(ServiceError):
    """What another service told of a request; it is handed on as it came."""

    def __init__(self, document: dict[str, Any]) -> None:
        super().__init__(document["detail"])
        self._problem = document

    def as_problem(self) -> dict[str, Any]:
        return self._problem


class TooLate(RemoteProblem):
    """The service did not get it done in time."""


class Turns:
    """How many photos are asked for at one time: one after an answer that came too late, then by and by more again.

    Photos that are too late together would be too late together at the next try, too.
    """

    def __init__(self, most: int) -> None:
        self._most = self._now = most
        self._asking = 0
        self._in_time, self._needed = 0, _IN_TIME  # answers in a row; so many before there is one photo more at one time
        self._changed = asyncio.Condition()

    async def ask(self, call: Callable[[], Awaitable[Answered]]) -> Answered:
        """What `call` gives, once it is its turn. Raises what it raises, a TooLate only where it was asked for alone."""
        while True:
            async with self._turn() as alone:
                try:
                    answered = await call()
                except TooLate:
                    if self._now > 1:
                        self._now, self._needed = 1, 2 * self._needed
                    self._in_time = 0
                    if alone:
                        raise
                    continue
            self._in_time += 1
            if self._in_time >= self._needed:
                self._now, self._in_time = min(self._most, self._now + 1), 0
            return answered

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[bool]:
        """Whether it is the only one for as long as it takes."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._asking < self._now)
            self._asking += 1
        try:
            yield self._now == 1
        finally:
            self._asking -= 1
            async with self._changed:
                self._changed.notify_all()


@contextlib.asynccontextmanager
async def connected(url: str, key: str | None, patience_s: float, at_once: int) -> AsyncIterator[RemoteService]:
    """Gives what asks a service of `at_once` photos at one time at most, and of fewer where it does not get these done in time.

    Raises RemoteProblem or NotReady if the service cannot be asked at all, NotReady without the client, ValueError for a wrong address.
    """
    try:  # it is a package of its own: nothing else here needs it
        from seedlings_client import AsyncClient, NoAnswer, Problem
    except ImportError:
        hint = installing.command("./clients/python")
        raise NotReady(f"--url needs the package seedlings-client; in a clone of the project run: {hint}") from None

    async def told(call: Awaitable[Any]) -> Any:
        try:
            return await call
        except Problem as problem:
            raise (TooLate if problem.status == _LATE else RemoteProblem)(problem.document) from None
        except NoAnswer as error:
            raise NotReady(str(error)) from None

    turns = Turns(at_once)
    async with AsyncClient(url, key, tries=_TRIES, deadline_s=patience_s, again=_BUSY) as client:
        listed = (await told(client.species())).to_dict()  # a wrong address or key is told before the first photo is sent

        class ByTheClient:
            async def predict(self, image: bytes, look: Look) -> dict[str, Any]:
                answered: dict[str, Any] = (await turns.ask(lambda: told(client.predict(image, crop=look)))).to_dict()
                return answered

            async def detect(self, image: bytes, masks: bool, max_plants: int, fine: bool) -> dict[str, Any]:
                def ask() -> Awaitable[Any]:
                    return told(client.detect(image, masks=masks, max_plants=max_plants, fine=fine))

                detected: dict[str, Any] = (await turns.ask(ask)).to_dict()
                return detected

            species = listed["species"]

            async def retention(self) -> str | None:
                policy: dict[str, Any] = (await told(client.retention())).to_dict()
                return _sentence(policy) if policy["asked"] else None

        yield ByTheClient()


def _sentence(policy: dict[str, Any]) -> str:
    positions = "with the positions in them" if policy["positions"] else "without positions and serial numbers"
    end = "until somebody removes them" if policy["days"] is None else f"for {policy['days']} days"
    return (
        f"this service keeps up to {policy['asked']} photos a day, of those that it is unsure of, for people to look at: {positions}, {end}"
    )
