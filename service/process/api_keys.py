"""API keys, who may ask: one key without a name, and keys by name from a file, `name:sha256:requests-a-minute` a line.

The file is read again when it changes, by a thread of its own. A file that is bad then changes nothing: the keys before go on.
"""

import hashlib
import hmac
import logging
import re
import threading
import time
import unicodedata
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)
WINDOW_S = 60.0
MOST_A_MINUTE = 100_000  # the time of each request is kept for a minute
MAX_FILE_BYTES = 2**20
_POLL_S = 1.0
_NAME = re.compile(r"[^\W_]([\w .@+-]{0,62}[\w@+-])?")
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")
_OF_NOTHING = hashlib.sha256().digest()  # a request without a key must never fit


class BadKeys(ValueError):
    """The file of keys cannot be used; the message names it, the line, and what to do, and shows nothing of the line."""


@dataclass(frozen=True)
class Key:
    """A key and who has it. Of the key itself only its SHA-256 is known."""

    name: str | None  # None: the single key, which has none
    sha256: bytes = field(repr=False)
    per_minute: int | None = None  # None: as often as one likes


@dataclass(frozen=True)
class Caller:
    """A key, and when it was used within the last minute in this process."""

    key: Key
    used_s: deque[float]  # monotonic, oldest first

    @property
    def name(self) -> str | None:
        """The key's name."""
        return self.key.name


class Keys:
    """All keys of one process. Asks of them come from the event loop alone.

    Raises BadKeys where the file is bad from the beginning.
    """

    def __init__(self, single: str | None, file: Path | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._single = () if single is None else (Caller(Key(None, hashlib.sha256(single.encode()).digest()), deque()),)
        self._file, self._clock = file, clock
        self._content = b"" if file is None else _content(file)
        self._named = () if file is None else tuple(Caller(key, deque()) for key in parse(self._content, file))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="keys", daemon=True)
        self.error: str | None = None  # what is wrong with the file as it is now

    def start(self) -> None:
        """Begin to watch the file, if there is one."""
        if self._file is not None:
            self._thread.start()

    def close(self) -> None:
        """Watch no longer."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def needed(self) -> bool:
        """Whether a request needs a key at all."""
        return bool(self._single) or self._file is not None

    def has_name(self, name: str) -> bool:
        """Whether a key of the file has this name, however it is written."""
        return _alike(name) in {_alike(str(caller.name)) for caller in self._named}

    def caller(self, given: Sequence[bytes]) -> Caller | None:
        """Whose key is the first right one of `given`; None if none is.

        In constant time: how long it takes tells nothing about how much was right.
        """
        found = None
        for digest in [hashlib.sha256(one).digest() for one in given if one]:
            for caller in (*self._single, *self._named):
                if hmac.compare_digest(digest, caller.key.sha256) and found is None:
                    found = caller
        return found

    def wait_s(self, caller: Caller) -> float:
        """Count a request and give 0; or, where the key has been used as often as it may, count nothing and give the seconds to wait."""
        if caller.key.per_minute is None:
            return 0.0
        now_s, used_s = self._clock(), caller.used_s
        while used_s and used_s[0] <= now_s - WINDOW_S:
            used_s.popleft()
        if len(used_s) < caller.key.per_minute:
            used_s.append(now_s)
            return 0.0
        return used_s[len(used_s) - caller.key.per_minute] + WINDOW_S - now_s  # the limit may have been lowered meanwhile

    def refresh(self) -> None:
        """Read the file, and use it if it has changed and is good. Names that stay keep their counts."""
        if self._file is None:
            return
        try:
            content = _content(self._file)
            if content != self._content:
                before = {caller.name: caller.used_s for caller in self._named}
                self._named = tuple(Caller(key, before.get(key.name, deque())) for key in parse(content, self._file))
                self._content = content
                log.info("%s was read again: %s", self._file, ", ".join(str(caller.name) for caller in self._named))
            error = None
        except BadKeys as bad:
            error = f"{bad}; the keys before go on"
        if error is not None and error != self.error:
            log.error("%s", error)
        self.error = error

    def _watch(self) -> None:
        while not self._stop.wait(_POLL_S):
            self.refresh()


def read(file: Path) -> tuple[Key, ...]:
    """The keys of a file. Raises BadKeys."""
    return parse(_content(file), file)


def parse(content: bytes, file: Path) -> tuple[Key, ...]:
    """The keys in the content of a file; empty lines and those that begin with # are left out. Raises BadKeys."""
    keys: dict[str, Key] = {}
    lines: dict[object, int] = {}  # of names and digests
    for number, line in enumerate(content.decode("utf-8-sig", "replace").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            key = _key(line)
        except ValueError as error:
            raise BadKeys(f"{file}, line {number}: {error}") from None
        for what, one in (("name", key.name), ("key", key.sha256)):
            if one in lines:
                raise BadKeys(f"{file}, line {number}: this {what} stands in line {lines[one]}, too; give each one line")
            lines[one] = number
        keys[str(key.name)] = key
    if not keys:
        raise BadKeys(f"{file} holds no key; write a line name:sha256:requests-a-minute for each")
    return tuple(keys.values())


def _key(line: str) -> Key:
    fields = [one.strip() for one in line.split(":")]
    if len(fields) != 3:
        raise ValueError("write name:sha256:requests-a-minute, three fields with colons between them")
    name, digest, rate = unicodedata.normalize("NFC", fields[0]), fields[1], fields[2]
    if not _NAME.fullmatch(name):
        raise ValueError("a name has 1 to 64 letters, digits, spaces or . _ @ + -, and begins with a letter or a digit")
    if not _DIGEST.fullmatch(digest):
        raise ValueError("the second field is no SHA-256 of 64 hexadecimal digits; make it with: printf %s KEY | sha256sum")
    if bytes.fromhex(digest) == _OF_NOTHING:
        raise ValueError("the second field is the SHA-256 of an empty key; make it with: printf %s KEY | sha256sum")
    if rate and not (re.fullmatch("[0-9]{1,6}", rate) and 1 <= int(rate) <= MOST_A_MINUTE):
        raise ValueError(f"requests a minute are a whole number from 1 to {MOST_A_MINUTE}, or nothing for no limit")
    return Key(name, bytes.fromhex(digest), int(rate) if rate else None)


def _alike(name: str) -> str:
    """A name without what eyes do not tell apart: case, width, spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _content(file: Path) -> bytes:
    try:
        if not file.is_file():
            raise BadKeys(f"{file} is no file; create or mount it")
        with file.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise BadKeys(f"{file} cannot be read: {error.strerror}; make it readable for the service") from None
    if len(content) > MAX_FILE_BYTES:
        raise BadKeys(f"{file} has more than {MAX_FILE_BYTES} bytes; name a file of keys")
    return content
