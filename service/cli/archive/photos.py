"""The names of all photos of an archive, in order, cut into blocks."""

import hashlib
from array import array

MOST = 10_000_000  # photos of one command


class TooManyPhotos(ValueError):
    """The sources hold more photos than one command takes."""


class Photos:
    """Names as bytes, one after the other: a name takes its own length and no more, so a million take about 100 MB."""

    def __init__(self, block: int, most: int = MOST) -> None:
        self._block, self._most = block, most
        self._names, self._starts, self._count = bytearray(), array("Q"), 0

    def __len__(self) -> int:
        return self._count

    def add(self, name: str) -> None:
        """One more. Raises TooManyPhotos."""
        if self._count == self._most:
            raise TooManyPhotos(
                f"the sources hold more than {self._most} photos; share them between several commands, each with its results"
            )
        if self._count % self._block == 0:
            self._starts.append(len(self._names))
        self._names += name.encode("utf-8", "surrogateescape") + b"\0"
        self._count += 1

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return len(self._starts)

    def block(self, number: int) -> list[str]:
        """The names in a block, counted from 0."""
        end = self._starts[number + 1] if number + 1 < len(self._starts) else len(self._names)
        held = bytes(memoryview(self._names)[self._starts[number] : end])
        return [name.decode("utf-8", "surrogateescape") for name in held.split(b"\0")[:-1]]

    def size(self, number: int) -> int:
        """How many photos a block holds."""
        return min(self._block, self._count - number * self._block)

    def sha256(self) -> str:
        """Of all names in their order."""
        return hashlib.sha256(self._names).hexdigest()
