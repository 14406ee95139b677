"""Published files once more, as the next version: those of another store, or those of an older version, to go back to it."""

import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path

from models_store import store
from models_store.manifest import SCHEMA_VERSION
from models_store.store import ArtifactMissing, SchemaTooNew, StoreError


def republish(
    root: Path,
    source: Path,
    name: str,
    why: str | None = None,
    more: Mapping[str, bytes] | None = None,
    told: Mapping[str, object] | None = None,
) -> Path:
    """Publish the artifact in folder `source` as the next version of a model of the store `root`. Returns its folder.

    The files are verified, and are the same to the byte; `more` are files to lie beside them. In the manifest only name and version
    are new, the digests of those, and `told`, what it says of them; the card says where the version is from, and `why`. Raises StoreError.
    """
    manifest, files = store.contents(source)
    store.check_next(root, name, manifest.task)
    if manifest.schema_version > SCHEMA_VERSION:  # what this release does not know of it would be lost
        raise SchemaTooNew(f"{source} has schema {manifest.schema_version}; publish it with the release that wrote it, or a newer one")
    card = _card(source)
    today = datetime.datetime.now(datetime.UTC).date()
    why = why or f"It was published into this store on {today}."
    files |= more or {}
    digests = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    return store.publish(
        root,
        files.pop(store.MODEL),
        lambda version, *_: manifest.model_copy(update={"name": name, "version": version, "files": digests, **(told or {})}),
        lambda new: f"# {new.name} {new.version}\n\nThe files of {manifest.name} {manifest.version}, unchanged. {why}\n\n{card}",
        name,
        files,
    )


def rollback(root: Path, name: str, to: int | None = None) -> Path:
    """Publish an older version of a model as its next one, so that services go back to it. Returns the new folder.

    Without `to` it is the newest version that came before the files which are the newest one now. So after going back from 3 to 2,
    which gives 4, it goes on to 1, not to 3 again. Raises StoreError.
    """
    newest = store.resolve(root, name)
    if to is None:
        to = _before(root, name)
    elif str(to) == newest.name:
        raise StoreError(f"{newest} is the newest version already; name an older one")
    source = store.resolve(root, name, to)
    today = datetime.datetime.now(datetime.UTC).date()
    return republish(root, source, name, f"It goes back from version {newest.name}, on {today}.")


def _before(root: Path, name: str) -> int:
    found = store.versions(root, name)
    served = _published(root, name, found[-1])
    first = next(version for version in found if version == found[-1] or (served and _published(root, name, version) == served))
    older = [version for version in found if version < first]
    if not older:
        raise ArtifactMissing(f"{root / name} has no version before the files of version {found[-1]}; name one to go back to")
    return older[-1]


def _published(root: Path, name: str, version: int) -> tuple[str, datetime.datetime] | None:
    """What tells a version from all others but those that `republish` made of it; None for one that cannot be read, a reason to go back.

    A recalibrated version has the same model.pt, but was made at another time.
    """
    try:
        manifest = store.read_any_manifest(root / name / str(version))
    except StoreError:
        return None
    return manifest.sha256, manifest.created


def _card(source: Path) -> str:
    """The card of a version without its heading; empty where it has none."""
    try:
        text = (source / store.CARD).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    heading, _, rest = text.partition("\n")
    return rest.lstrip("\n") if heading.startswith("# ") else text
