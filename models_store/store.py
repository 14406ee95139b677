"""List, resolve, publish, verify and open the artifacts of a store.

A store is a folder `<store>/<name>/<version>/` that holds `model.pt`, `manifest.json` and `card.md`; `version` is a
positive integer and the highest is the newest, the layout of a Triton model repository.

    StoreError
    ├── ArtifactMissing      there is no such store, model, version or file
    ├── ArtifactCorrupt      a file is truncated or altered
    ├── ArtifactUnreadable   a file is there and cannot be read now
    ├── ArtifactUnsuitable   it is whole, and not for this reader
    ├── SchemaTooNew         the manifest was written by a newer release
    └── PublishFailed        the store could not be written
"""

import errno
import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from models_store import manifest as manifests
from models_store import temporary
from models_store.manifest import MANIFESTS, NAME_PATTERN, SCHEMA_VERSION, AnyManifest, Manifest, SegmenterManifest

MODEL, MANIFEST, CARD = manifests.MODEL, "manifest.json", "card.md"
# The shipped pair: the model that is asked first, and the one that answers what is beyond that one.
SHIPPED_PAIR = ("seedlings", "seedlings-field")
SHIPPED_STORE = Path(__file__).parent / "shipped"  # holds seedlings/<version>, the model that comes with the project
_KINDS = {"classification": "classifier", "segmentation": "segmenter"}  # of models, by task
_TEMPORARY = ".publishing-"
_MAX_MANIFEST_BYTES, _MAX_FILE_BYTES = 16 * 2**20, 2**31  # more is not read: it would end the process for want of memory
M = TypeVar("M", Manifest, SegmenterManifest, AnyManifest)


class StoreError(Exception):
    """Base of everything that can go wrong with a store; the message names the file and what to do."""


class ArtifactMissing(StoreError):
    """There is no such store, model, version or file."""


class ArtifactCorrupt(StoreError):
    """A file is truncated or altered."""


class ArtifactUnreadable(StoreError):
    """A file is there and cannot be read now: its permissions, its disk or its mount."""


class ArtifactUnsuitable(StoreError):
    """The artifact is whole, and not for this reader: a model for another task."""


class SchemaTooNew(StoreError):
    """The manifest was written by a newer release of this project."""


class PublishFailed(StoreError):
    """The store could not be written; nothing of the version is visible."""


@dataclass(frozen=True)
class Opened(Generic[M]):
    """A verified artifact: its manifest, and the very bytes the digest was taken of."""

    path: Path
    manifest: M
    model: io.BytesIO


def versions(store: Path, name: str) -> list[int]:
    """Published versions of a model, oldest first; empty if the store holds none."""
    found = _folders(store / name)
    return sorted(int(version) for version in found if version.isascii() and version.isdigit() and str(int(version)) == version != "0")


def models(store: Path) -> dict[str, list[int]]:
    """Every model of the store that has a version: name → versions, oldest first."""
    names = sorted(name for name in _folders(store) if not name.startswith((".", "_")))
    return {name: found for name in names if (found := versions(store, name))}


def _folders(path: Path) -> list[str]:
    """Names of the folders inside; none where there is no such path. Raises StoreError."""
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if _is_folder(entry)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise StoreError(f"{path} cannot be listed ({error.strerror}); give the process read access") from None


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Raises OSError where that cannot be told now: a version would else be gone while its disk is."""
    try:
        return entry.is_dir()
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link that leads to itself
            return False
        raise


def check_next(store: Path, name: str, task: str) -> None:
    """Whether a model for `task` may become the next version of `name` in a store. Raises StoreError, ArtifactUnsuitable."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise StoreError(f"{name!r} cannot be a model's name: letters, digits, '.', '_' and '-', the first one a letter or digit")
    found = versions(store, name)
    before = store if found else SHIPPED_STORE  # a shipped one is served until the store holds one of its name
    found = found or versions(SHIPPED_STORE, name)
    try:
        newest = read_any_manifest(before / name / str(found[-1])) if found else None
    except StoreError:  # the next version is the cure
        newest = None
    if newest is not None and newest.task != task:
        raise ArtifactUnsuitable(f"{before / name} holds a model for {newest.task}, this one is for {task}: publish it under another name")


def named_version(name: str) -> Path:
    """The folder of a published version: named itself, or else as NAME/VERSION of a model that comes with the project. It may not exist."""
    return Path(name) if (Path(name) / MANIFEST).exists() else SHIPPED_STORE / name


def resolve(store: Path, name: str, version: int | None = None) -> Path:
    """The folder of one version, the newest if none is given. Raises ArtifactMissing."""
    found = versions(store, name)
    if not found:
        raise ArtifactMissing(f"{store / name} holds no version of a model; publish one with 'python -m training export'")
    if version is not None and version not in found:
        raise ArtifactMissing(f"{store / name} has no version {version}; it has {', '.join(map(str, found))}")
    return store / name / str(version if version is not None else found[-1])


def read_manifest(path: Path) -> Manifest:
    """The manifest of the classifier in folder `path`, checked. Raises StoreError, ArtifactUnsuitable for a model for another task."""
    return _for_task(path, read_any_manifest(path), Manifest)


def read_any_manifest(path: Path) -> AnyManifest:
    """The manifest of the artifact in folder `path`, checked, whatever its model is for. Raises StoreError."""
    file = path / MANIFEST
    try:
        document = json.loads(_content(file, _MAX_MANIFEST_BYTES))
    except (ValueError, RecursionError):
        raise ArtifactCorrupt(f"{file} is not JSON; publish the version again") from None
    schema = document.get("schema_version") if isinstance(document, dict) else None
    # A newer schema says itself whether readers of this one understand it. One that says nothing is not trusted.
    needed = document.get("min_reader_schema", schema) if isinstance(document, dict) else None
    if isinstance(needed, int) and needed > SCHEMA_VERSION:
        raise SchemaTooNew(f"{file} has schema {schema}, this release reads up to {SCHEMA_VERSION}; upgrade the service")
    task = document.get("task", "classification") if isinstance(document, dict) else "classification"
    if isinstance(task, str) and task not in MANIFESTS:
        raise ArtifactUnsuitable(f"{file} is of a model for {task[:50]}, which this release does not know; upgrade the service")
    try:
        manifest = MANIFESTS[task if isinstance(task, str) else "classification"].model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise ArtifactCorrupt(f"{file}: {where}: {first['msg']}; publish the version again") from None
    if path.name.isdigit() and (manifest.name, str(manifest.version)) != (path.parent.name, path.name):
        raise ArtifactCorrupt(
            f"{file} is of {manifest.name}/{manifest.version} but lies in {path.parent.name}/{path.name}; move it back or publish it again"
        )
    return manifest


def open_artifact(path: Path) -> Opened[Manifest]:
    """Read the classifier in folder `path` once and verify it. Raises StoreError, ArtifactUnsuitable for a model for another task.

    The model is handed on as the bytes that were verified, so that a file replaced in between cannot slip through.
    """
    path = path.absolute()  # so that a path such as `.` still ends in name/version
    return _opened(path, read_manifest(path))


def open_segmenter(path: Path) -> Opened[SegmenterManifest]:
    """The same for a segmenter."""
    path = path.absolute()
    return _opened(path, _for_task(path, read_any_manifest(path), SegmenterManifest))


def _opened(path: Path, manifest: M) -> Opened[M]:
    return Opened(path, manifest, io.BytesIO(_verified(path / MODEL, manifest.sha256, manifest.size_bytes)))


def _for_task(path: Path, manifest: AnyManifest, wanted: type[M]) -> M:
    if isinstance(manifest, wanted):
        return manifest
    kind = _KINDS[wanted.model_fields["task"].default]
    raise ArtifactUnsuitable(f"{path} is a {_KINDS[manifest.task]}; what is wanted here is a {kind}: name or publish one")


def verify(path: Path) -> AnyManifest:
    """Check schema, size and the digest of every file of the artifact in folder `path`. Raises StoreError."""
    return contents(path)[0]


def contents(path: Path) -> tuple[AnyManifest, dict[str, bytes]]:
    """The artifact in folder `path`: its manifest, and the bytes of every file it names, as they were verified. Raises StoreError."""
    path = path.absolute()
    opened = _opened(path, read_any_manifest(path))
    others = {name: _verified(opened.path / name, digest) for name, digest in opened.manifest.files.items() if name != MODEL}
    return opened.manifest, {MODEL: opened.model.getvalue(), **others}


def beside(path: Path, manifest: AnyManifest, name: str) -> bytes | None:
    """A verified file of the artifact in folder `path`; None where its manifest names no such file. Raises StoreError."""
    return _verified(path / name, manifest.files[name]) if name in manifest.files else None


def _verified(file: Path, digest: str, size_bytes: int | None = None) -> bytes:
    """The bytes of a file that has this SHA-256, and this size where one is known. Raises StoreError."""
    content = _content(file, _MAX_FILE_BYTES, size_bytes)
    if hashlib.sha256(content).hexdigest() != digest:
        raise ArtifactCorrupt(f"{file} does not have the SHA-256 of its manifest; it was altered: copy it again or publish anew")
    return content


def _content(file: Path, most_bytes: int, size_bytes: int | None = None) -> bytes:
    """The bytes of a file, which has `size_bytes` of them where that is known. Raises StoreError, before it reads too much."""
    try:
        with open(file, "rb", opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK)) as stream:  # a pipe would be waited for
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise ArtifactCorrupt(f"{file} is no regular file; publish the version again")
            if size_bytes is not None and found.st_size != size_bytes:
                raise ArtifactCorrupt(f"{file} has {found.st_size} bytes, its manifest says {size_bytes}; copy it again or publish anew")
            if found.st_size > most_bytes:
                raise ArtifactCorrupt(f"{file} has {found.st_size} bytes, more than such a file may have; publish the version again")
            return stream.read(found.st_size)
    except FileNotFoundError:
        hint = "publish the version again" if file.parent.is_dir() else "so is its folder: name that of a published version"
        raise ArtifactMissing(f"{file} is missing; {hint}") from None
    except NotADirectoryError:
        raise ArtifactMissing(f"{file.parent} is a file; name the folder of a published version") from None
    except IsADirectoryError:
        raise ArtifactCorrupt(f"{file} is a folder; publish the version again") from None
    except OSError as error:
        raise ArtifactUnreadable(f"{file} cannot be read ({error.strerror}); check its permissions and its disk") from None


def publish(
    store: Path,
    model: bytes,
    describe: Callable[[int, str, int], M],
    card: Callable[[M], str],
    name: str,
    beside: Mapping[str, bytes] | None = None,
) -> Path:
    """Write the next version of a model so that a reader sees all of it or nothing. Returns its folder.

    `describe(version, sha256, size_bytes)` gives the manifest, `card(manifest)` the text for people; `beside` are files that
    the manifest names next to `model.pt`. The version is written under a temporary name on the same file system, flushed to
    the disk, and renamed. Raises PublishFailed.
    """
    digest = hashlib.sha256(model).hexdigest()
    folder = store / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.remove_abandoned(folder, _TEMPORARY)
        with temporary.folder(folder, _TEMPORARY) as made:
            made.chmod(0o755)  # it is private at first; a service under another user has to read it
            for file, content in {MODEL: model, **(beside or {})}.items():
                _write(made / file, content)
            return _publish_next(folder, made, lambda version: describe(version, digest, len(model)), card)
    except OSError as error:
        raise PublishFailed(f"{folder} cannot be written ({error.strerror}); nothing was published: free space or allow writing") from None


def _publish_next(folder: Path, made: Path, describe: Callable[[int], M], card: Callable[[M], str]) -> Path:
    version = 0
    while True:
        version = max(version, *versions(folder.parent, folder.name), 0) + 1
        manifest = describe(version)
        _write(made / MANIFEST, (manifest.model_dump_json(indent=1) + "\n").encode())
        _write(made / CARD, card(manifest).encode())
        temporary.flush_folder(made)
        try:
            made.rename(folder / str(version))
        except OSError:
            if not os.path.lexists(folder / str(version)):
                raise
            continue  # another writer took this number meanwhile, or something else has this name
        temporary.flush_folder(folder)
        return folder / str(version)


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
