"""Names of an earlier release: they work for one more, with a sentence."""

import sys
from collections.abc import Mapping
from typing import Any


def say_new_name(old: str, new: str) -> None:
    """Tell on stderr that `old` is called `new` now."""
    sys.stderr.write(f"{old} is called {new} now; the old name will not work in the next release\n")


def renamed(document: Any, names: Mapping[str, str]) -> Any:
    """A document that was read from a file, with its old keys under their new names: `names` is old → new.

    Nothing is said: the file is a record, which nobody is to edit.
    """
    if not isinstance(document, dict):
        return document
    return {names.get(key, key): value for key, value in document.items()}
