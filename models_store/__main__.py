"""The command line of a store: `python -m models_store list|verify|publish|rollback`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from models_store import store
from models_store.called_as import called_as
from models_store.manifest import AnyManifest, Manifest
from models_store.republish import republish, rollback
from models_store.store import ArtifactMissing, StoreError

_HEADINGS = ("model", "version", "published", "network", "accuracy", "size")


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    prog = called_as("store", "models_store")
    root = argparse.ArgumentParser(prog=prog, description="Look at a store of models, and publish into it.")
    commands = root.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text)
        made.add_argument("store", type=Path, metavar="STORE", help="holds a folder for each model, with a folder for each version")
        return made

    command("list", "the models and versions of a store")
    verify = command("verify", "check the files of versions against their manifests")
    verify.add_argument("--name", help="this model only (default: all)")
    verify.add_argument("--version", type=int, help="this version only (default: all)")
    publish = command("publish", "publish a finished artifact, of another store for one, as the next version")
    publish.add_argument("artifact", type=Path, metavar="ARTIFACT", help="the folder with its manifest.json")
    publish.add_argument("--name", help="name of the model in the store (default: as in the artifact)")
    back = command("rollback", "publish an older version as the next one, so that services go back to it")
    back.add_argument("--name", default="seedlings", help="name of the model (default: seedlings)")
    back.add_argument("--to", type=int, metavar="VERSION", help="the version to go back to (default: the one before)")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 success, 1 the work failed, 130 interrupted; a wrong call exits with 2."""
    options = parser().parse_args(arguments)
    try:
        if options.command != "publish" and not options.store.is_dir():
            raise ArtifactMissing(f"there is no folder {options.store}; name the folder that holds the models")
        if options.command == "list":
            return _list(options.store)
        if options.command == "verify":
            return _verify(options.store, options.name, options.version)
        if options.command == "publish":
            name = options.name or store.read_any_manifest(options.artifact.absolute()).name
            path = republish(options.store, options.artifact.absolute(), name)
        else:
            path = rollback(options.store, options.name, options.to)
    except StoreError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; a version that was not finished is not in the store", file=sys.stderr)
        return 130
    print(f"published {path}")
    return 0


def _list(root: Path) -> int:
    rows = [_HEADINGS, *(_row(root, name, version) for name, found in store.models(root).items() for version in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for row in rows:
        print("  ".join([*map(str.ljust, row, widths), row[-1]]))
    return 0


def _row(root: Path, name: str, version: int) -> tuple[str, ...]:
    try:
        manifest = store.read_any_manifest(root / name / str(version))
    except StoreError as error:
        return name, str(version), "", "", "", f"not readable: {error}"
    return name, str(version), f"{manifest.created:%Y-%m-%d}", manifest.training.network, _accuracy(manifest), _size(manifest)


def _accuracy(manifest: AnyManifest) -> str:
    if isinstance(manifest, Manifest):
        return f"{manifest.figures.accuracy:.2%} of {manifest.figures.n}"
    return ", ".join(f"IoU {found.iou:.2f}" for found in manifest.figures)


def _size(manifest: AnyManifest) -> str:
    return f"{manifest.size_bytes / 1e6:.1f} MB"


def _verify(root: Path, name: str | None, version: int | None) -> int:
    asked = [
        root / model / str(number)
        for model, found in store.models(root).items()
        for number in found
        if name in (None, model) and version in (None, number)
    ]
    if not asked:
        wanted = f" {version}" if version is not None else ""
        raise ArtifactMissing(f"{root} has no version{wanted} of {name or 'any model'}; 'python -m models_store list' shows what it has")
    bad = 0
    for path in asked:
        try:
            store.verify(path)
        except StoreError as error:
            bad += 1
            print(f"error: {error}", file=sys.stderr)
        else:
            print(f"{path.parent.name} {path.name} is as it was published")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
