"""The folder of results: a part for each block of photos, whole or absent, and a manifest that says of what they are.

    RESULTS/_manifest.json      written first: the photos, the models and all that decides what the rows say
    RESULTS/part-000000.parquet one for each block, in the order of the photos
    RESULTS/_summary.json       written last

Names that begin with _ are passed over by what reads a folder of Parquet.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from models_store.file_storage import FileStorage, UnknownFileSystem
from service.cli.archive import tables
from service.cli.archive.tables import Kind

MANIFEST, SUMMARY = "_manifest.json", "_summary.json"
_MODE = 0o644  # results are for others, too


class Refused(ValueError):
    """The folder holds something else, or results of other arguments; the message says what to do."""


class NotWritten(Exception):
    """The folder cannot be read or written now."""


@dataclass(frozen=True)
class Part:
    """The rows of one block, as the bytes of a file."""

    content: bytes
    problems: int  # photos without an answer
    truncated: int = 0  # photos with more plants than are listed


class Results:
    """Parts by number. What the file system refuses is NotWritten."""

    def __init__(self, url: str, kind: Kind) -> None:
        """Raises Refused for a URL that nothing here reads."""
        self._url, self._kind = url, kind
        try:
            self._place = FileStorage(url, _MODE)
        except UnknownFileSystem as error:
            raise Refused(f"{url}: {error}") from None

    def begin(self, manifest: dict[str, Any]) -> set[int]:
        """The numbers of the parts that are there. Raises Refused unless they are of the same manifest."""
        with self._answering("read"):
            names = self._place.names()
            before = json.loads(self._place.read(MANIFEST)) if MANIFEST in names else None
        if before is None and names:
            raise Refused(f"{self._url} holds other files, such as {names[0]}; name a new folder")
        if before is None:
            self.write_text(MANIFEST, manifest)
            return set()
        if before != manifest:
            raise Refused(
                f"{self._url} was begun otherwise: {_differences(before, manifest)}. Give the same arguments to go on, or another folder"
                f"{_hint(before, manifest)}"
            )
        return {int(found[1]) for name in names if (found := re.fullmatch(rf"part-(\d{{6,}})\.{self._kind}", name))}

    def write(self, number: int, part: Part) -> None:
        """Write a part, whole or not at all."""
        with self._answering("written"):
            self._place.write(self._name(number), part.content)

    def problems(self, number: int) -> int:
        """How many photos of a part that is there have no answer."""
        name = self._name(number)
        with self._answering("read"):
            content = self._place.read(name)
        try:
            return tables.problems(content, self._kind)
        except Exception:  # whatever a reader makes of what is no part
            raise NotWritten(f"{self._url}/{name} is damaged; remove it, and its photos are answered again") from None

    def write_text(self, name: str, document: dict[str, Any]) -> None:
        """Write a document beside the parts."""
        with self._answering("written"):
            self._place.write(name, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))

    def _name(self, number: int) -> str:
        return f"part-{number:06}.{self._kind}"

    @contextlib.contextmanager
    def _answering(self, done: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each file system raises what its library does
            said = getattr(error, "strerror", None) or str(error).partition("\n")[0][:200] or type(error).__name__
            raise NotWritten(f"{self._url} cannot be {done} ({said})") from error


def _differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    names = [name for name in {**now, **before} if before.get(name) != now.get(name)]
    return "; ".join(f"{name} was {json.dumps(before.get(name))}, is {json.dumps(now.get(name))}"[:300] for name in names)


def _hint(before: dict[str, Any], now: dict[str, Any]) -> str:
    """How to go on with the models of before."""
    if "second_model" in now and "second_model" not in before:
        return "; SEEDLINGS_SECOND_MODEL=none leaves the second model out"
    one, other = before.get("model") or {}, now.get("model") or {}
    if one.get("version") == other.get("version") or one.get("name") != other.get("name"):
        return ""
    return f"; SEEDLINGS_VERSION={one.get('version')} names the version of before"
