"""Which files of a folder are images: the one walk that training and service share."""

import os
import unicodedata
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif", ".hif"]
)
NAMED = ", ".join(sorted(SUFFIXES))  # for messages
_LEFT_BEHIND = frozenset(
    ["@eadir", "#recycle", "$recycle.bin", "thumbs.db", "desktop.ini", "__macosx"]
)  # by stores and systems, not hidden
_CONTROLS = ("Cc", "Cf", "Zl", "Zp")  # Unicode's categories of characters that could start a line, steer a terminal or turn its text round
_BYTES = frozenset(map(chr, range(0xDC80, 0xDD00)))  # as Python has those that are no UTF-8
_QUOTED = '\\"'  # in quotation marks these stand behind a backslash
_JOINERS = "\u200c\u200d"  # of category Cf, but letters are written with them


def is_image(name: str) -> bool:
    """Whether a file of this name is an image that somebody put there: by its suffix, and not hidden."""
    return os.path.splitext(name)[1].lower() in SUFFIXES and not is_left_behind(name)


def is_left_behind(name: str) -> bool:
    """Whether a file or folder of this name was made by a program for itself: hidden, previews, waste."""
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


class FoundFiles(NamedTuple):
    """What a walk met."""

    files: list[Path]  # sorted by path
    problems: dict[Path, str]  # what could not be looked at, and why, to be read behind the path
    others: Counter[str]  # files that are no images by their name: how many of each suffix


def find(folder: Path) -> FoundFiles:
    """The images in a folder and all folders in it. Links are followed, each folder once, under its own path before that of a link.

    Raises OSError for a folder that cannot be listed; one in it is a problem.
    """
    problems, others = dict[str, str](), Counter[str]()
    files = [Path(file) for file in walk(os.fspath(folder), problems, others)]
    files.sort(key=os.fspath)
    return FoundFiles(files, {Path(file): problems[file] for file in sorted(problems)}, others)


def walk(folder: str, problems: dict[str, str], others: Counter[str] | None = None) -> Iterator[str]:
    """As `find`, but gives the paths as texts and in no order, and adds to `problems` and `others`: a folder may hold millions."""
    waiting, linked, seen = deque([folder]), deque[str](), set[tuple[int, int]]()
    while waiting or linked:
        inside = waiting.popleft() if waiting else linked.popleft()
        folders: list[tuple[str, bool]] = []
        try:
            status = os.stat(inside)
            if (status.st_dev, status.st_ino) in seen:  # by a link to a folder above, too
                continue
            with os.scandir(inside) as entries:
                seen.add((status.st_dev, status.st_ino))
                for entry in entries:
                    if is_left_behind(entry.name):
                        continue
                    path = entry.name if inside == os.curdir else os.path.join(inside, entry.name)
                    try:
                        directory, file = entry.is_dir(), entry.is_file()
                    except OSError:  # a link to itself
                        directory = file = False
                    if directory:
                        folders.append((path, entry.is_symlink()))
                    elif is_image(entry.name) and file:
                        yield path
                    elif is_image(entry.name):
                        problems[path] = "has the name of an image, but is no file, or a link to none"
                    elif file and others is not None:
                        others[os.path.splitext(entry.name)[1].lower() or "no suffix"] += 1
        except OSError as error:
            if inside == folder:
                raise
            problems[inside] = f"cannot be listed ({error.strerror})"
        for path, is_link in sorted(folders):
            (linked if is_link else waiting).append(path)


def printable(path: Path | str) -> str:
    """A path for messages: one with bytes that are no UTF-8, or control characters, by their escapes and in quotation marks.

    By these marks a line's end in a name is told from a backslash and an n.
    """
    text = os.fsencode(path).decode("utf-8", "surrogateescape")
    if not any(_is_escaped(sign) for sign in text):
        return text
    return f'"{"".join(_escape(sign) if _is_escaped(sign) or sign in _QUOTED else sign for sign in text)}"'


def _is_escaped(sign: str) -> bool:
    return sign in _BYTES or (unicodedata.category(sign) in _CONTROLS and sign not in _JOINERS)


def _escape(sign: str) -> str:
    if sign in _QUOTED:
        return f"\\{sign}"
    return os.fsencode(sign).decode("utf-8", "backslashreplace") if sign in _BYTES else sign.encode("unicode_escape").decode("ascii")
