"""Sources → the names of the photos: folders, patterns, object stores, web addresses, and text lists of them."""

import glob
import io
import os
import re
from collections.abc import Iterator, Sequence

from fsspec.utils import glob_translate

from models_store import image_files
from service.cli.archive.photos import MOST, Photos
from service.cli.archive.reading import STORES, WEB, BadSource, check_scheme, content, object_store, scheme
from service.errors import ServiceError

LIST = ".txt"  # what the name of a list ends with
MOST_LIST_BYTES = 2**30
_MOST_NAME_BYTES = 4096
_TIMEOUT_S = 600.0


def find(sources: Sequence[str], block: int, most: int = MOST) -> tuple[Photos, list[str]]:
    """The photos of all sources, in their order, in blocks; and what could not be looked at.

    Raises BadSource, TooManyPhotos, FileNotFoundError for a source that is not there or holds no photos, and OSError for a folder that
    cannot be listed.
    """
    photos, problems = Photos(block, most), list[str]()
    for source in sources:
        before = len(photos)
        for name in _listed(source, problems) if _is_list(source) else _expanded(source, problems):
            if "\0" in name or len(name) > _MOST_NAME_BYTES:
                raise BadSource(f"{source} holds a name that is none: {name[:60]!r}")
            photos.add(name)
        if len(photos) == before:
            raise FileNotFoundError(f"{source} holds no photos ({image_files.NAMED})")
    return photos, problems


def _is_list(source: str) -> bool:
    path = source.partition("?")[0] if scheme(source) in WEB else source  # an address may have a signature behind it
    return path.lower().endswith(LIST)


def _listed(source: str, problems: list[str]) -> Iterator[str]:
    """What the lines of a text list name; empty ones and comments (#) are passed over. No other line is lost: what names none is told."""
    for line in _lines(source):
        name = line.strip()
        if name and not name.startswith("#"):
            if len(name) > _MOST_NAME_BYTES or "\0" in name:
                raise BadSource(f"{source} holds a line that is no name, {name[:60]!r}; a list is UTF-8 text, a source a line")
            none = True
            for photo in _expanded(name, problems, listed=True):
                none = False
                yield photo
            if none and glob.has_magic(name) and image_files.is_image(name):
                yield name  # no pattern: a photo such as IMG[3].jpg that is gone
            elif none:
                problems.append(f"{image_files.printable(name)}, of {source}, holds no photos")


def _lines(source: str) -> Iterator[str]:
    """Raises BadSource for a list that cannot be read, FileNotFoundError where there is none."""
    if scheme(source) is None:
        if not os.path.isfile(source):
            raise FileNotFoundError(f"{source} does not exist, or is no file")
        with open(source, encoding="utf-8-sig", errors="surrogateescape") as stream:
            while line := stream.readline(2 * _MOST_NAME_BYTES):
                yield line
        return
    check_scheme(source)
    try:
        held = content(source, MOST_LIST_BYTES, "", _TIMEOUT_S)
    except ServiceError as error:
        raise BadSource(f"{source}: {error.detail}") from None
    with io.TextIOWrapper(io.BytesIO(held), encoding="utf-8-sig", errors="surrogateescape") as stream:
        yield from stream


def _expanded(source: str, problems: list[str], *, listed: bool = False) -> Iterator[str]:
    """The photos of one source. Of a list, what is neither a folder nor a pattern is a photo, whether it is there or not."""
    kind = scheme(source)
    check_scheme(source)
    if kind in WEB:
        yield source
    elif kind in STORES:
        folder = source.endswith("/") or glob.has_magic(source) or not (listed or image_files.is_image(source))
        yield from _objects(source) if folder else [source]
    elif os.path.isdir(source):
        yield from _in_folder(source, problems)
    elif glob.has_magic(source) and not os.path.exists(source):
        yield from _matching(source, problems)
    elif listed or os.path.exists(source):
        yield source
    else:
        raise FileNotFoundError(f"{source} does not exist")


def _in_folder(folder: str, problems: list[str]) -> Iterator[str]:
    told = dict[str, str]()
    yield from sorted(image_files.walk(os.path.normpath(folder), told))
    problems += [f"{image_files.printable(file)} {told[file]}" for file in sorted(told)]


def _matching(pattern: str, problems: list[str]) -> Iterator[str]:
    """The images whose paths match, and those in folders that match; with `**` the images alone, since it names those folders' too."""
    if "**" in pattern.split(os.sep):
        yield from _at_any_depth(os.path.normpath(pattern), problems)
        return
    for path in sorted(glob.iglob(pattern)):
        if os.path.isdir(path):
            yield from _in_folder(path, problems)
        elif image_files.is_image(os.path.basename(path)):
            yield path


def _at_any_depth(pattern: str, problems: list[str]) -> Iterator[str]:
    """The images that match a pattern with `**`. `glob` would follow a link to a folder above over and over."""
    try:
        matches = re.compile(glob_translate(pattern)).match
    except ValueError as error:
        raise BadSource(f"{pattern} is no pattern ({error})") from None
    parts = pattern.split(os.sep)
    before = os.sep.join(parts[: parts.index("**")]) or (os.sep if pattern.startswith(os.sep) else os.curdir)
    for root in sorted(filter(os.path.isdir, glob.iglob(before))):
        told = dict[str, str]()
        yield from sorted(filter(matches, image_files.walk(root, told)))
        problems += [f"{image_files.printable(path)} {told[path]}" for path in sorted(told) if matches(path) or os.path.isdir(path)]


def _objects(url: str) -> Iterator[str]:
    """The images in a folder of an object store, or those that match a pattern or lie in a folder that does."""
    try:
        files, path = object_store(url)
        kind = scheme(url)
        magic = re.search(r"[*?\[]", path)
        root = path[: magic.start()].rpartition("/")[0] if magic else path.rstrip("/")
        if not root:
            raise BadSource(f"{url}: the bucket's name has to stand without wildcards")
        if magic and image_files.is_image(path) and files.exists(path):  # such as photo[1].jpg
            yield f"{kind}://{path}"
            return
        matches = re.compile(glob_translate(path.rstrip("/"))).match if magic else None
        for key in _keys(files, root):
            inside = key[len(root) :].strip("/")
            if any(map(image_files.is_left_behind, inside.split("/"))) or not image_files.is_image(key.rpartition("/")[2]):
                continue
            if matches is None or any(matches(key[: end or None]) for end in [0, *_ends(key, len(root))]):
                yield f"{kind}://{key}"
    except (BadSource, GeneratorExit):
        raise
    except FileNotFoundError:
        raise FileNotFoundError(f"{url} does not exist") from None
    except Exception as error:  # each store raises what its library does
        raise BadSource(f"{url} cannot be listed ({str(error)[:200]})") from None


def _ends(key: str, after: int) -> Iterator[int]:
    """Where the names of the folders end in which an object lies."""
    return (mark.start() for mark in re.finditer("/", key) if mark.start() > after)


def _keys(files: object, root: str) -> Iterator[str]:
    """The keys below a folder of an object store, each with its bucket, in order; S3's page by page, so that they are never all held."""
    if hasattr(files, "call_s3"):
        bucket, _, prefix = root.partition("/")
        asked = {"Bucket": bucket, "Prefix": f"{prefix}/" if prefix else ""}
        while True:
            page = files.call_s3("list_objects_v2", **asked)
            yield from (f"{bucket}/{found['Key']}" for found in page.get("Contents", ()))
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]
    else:
        yield from sorted(f"{folder}/{file}" for folder, _, inside in files.walk(root) for file in inside)  # type: ignore[attr-defined]
