"""Which files of a folder are images: the one walk that training and service share."""

import os
from pathlib import Path

SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif", ".hif"]
)
NAMED = ", ".join(sorted(SUFFIXES))  # for messages
_LEFT_BEHIND = frozenset(
    ["@eadir", "#recycle", "$recycle.bin", "thumbs.db", "desktop.ini", "__macosx"]
)  # by stores and systems, not hidden


def is_image(name: str) -> bool:
    """Whether a file of this name is an image that somebody put there: by its suffix, and not hidden."""
    return os.path.splitext(name)[1].lower() in SUFFIXES and not is_left_behind(name)


def is_left_behind(name: str) -> bool:
    """Whether a file or folder of this name was made by a program for itself: hidden, previews, waste."""
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


def find(folder: Path) -> list[Path]:
    """The images in a folder and all folders in it, sorted by path. Links are followed, each folder once. Raises OSError."""
    found: list[Path] = []
    waiting, seen = [folder], set[tuple[int, int]]()
    while waiting:
        inside = waiting.pop()
        status = inside.stat()
        if (status.st_dev, status.st_ino) in seen:  # by a link to a folder above, too
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in os.scandir(inside):
            if is_left_behind(entry.name):
                continue
            if entry.is_dir():
                waiting.append(inside / entry.name)
            elif is_image(entry.name) and entry.is_file():
                found.append(inside / entry.name)
    return sorted(found, key=os.fspath)


def printable(path: Path | str) -> str:
    """A path for messages: bytes that are no UTF-8 as \\xNN."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
