"""Asks a running service, by the project's own client."""

import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Literal, Protocol

from models_store import installing
from service.errors import NotReady, ServiceError

Look = Literal["auto", "centre"]  # where: at the largest plant, or at the middle
_TRIES = 600  # as long as the deadline lasts


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
            raise RemoteProblem(problem.document) from None
        except NoAnswer as error:
            raise NotReady(str(error)) from None

    async with AsyncClient(url, key, tries=_TRIES, deadline_s=patience_s, at_once=at_once) as client:
        listed = (await told(client.species())).to_dict()  # a wrong address or key is told before the first photo is sent

        class ByTheClient:
            async def predict(self, image: bytes, look: Look) -> dict[str, Any]:
                answered: dict[str, Any] = (await told(client.predict(image, crop=look))).to_dict()
                return answered

            async def detect(self, image: bytes, masks: bool, max_plants: int, fine: bool) -> dict[str, Any]:
                detected: dict[str, Any] = (await told(client.detect(image, masks=masks, max_plants=max_plants, fine=fine))).to_dict()
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
