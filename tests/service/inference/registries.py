"""Registries of models that only know their manifest."""

from pathlib import Path
from typing import Any

from models_store import store
from service.inference.registry import Registry


class Loaded:
    """A model that only knows its manifest."""

    def __init__(self, opened: store.Opened) -> None:
        self.manifest = opened.manifest
        self.version = str(opened.manifest.version)
        self.size = opened.manifest.input.size


def registry(root: Path, **values: Any) -> Registry:
    return Registry(lambda opened, _: Loaded(opened), root, "seedlings", **({"poll_s": 1, "fallback": root / "none"} | values))


def served(held: Registry) -> str | None:
    held.refresh()
    return held.current.version if held.current is not None else None
