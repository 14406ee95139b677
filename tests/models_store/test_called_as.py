"""Help names the command that was typed. tests/test_package.py asks the installed command."""

import argparse
import sys
from collections.abc import Callable

import pytest

from models_store.__main__ import parser as store
from service.cli.predict import parser as predict
from training.__main__ import parser as train

COMMANDS = [(train, "train", "training"), (predict, "predict", "service predict"), (store, "store", "models_store")]


@pytest.mark.parametrize(("parser", "word", "module"), COMMANDS, ids=[word for _, word, _ in COMMANDS])
def test_usage_names_the_command_that_was_typed(
    monkeypatch: pytest.MonkeyPatch, parser: Callable[[], argparse.ArgumentParser], word: str, module: str
) -> None:
    for typed in ("/usr/local/bin/seedlings", "seedlings", "seedlings.exe"):
        monkeypatch.setattr(sys, "argv", [typed, word])
        assert parser().format_usage().startswith(f"usage: seedlings {word} [")
    monkeypatch.setattr(sys, "argv", ["/somewhere/seedlings/__main__.py"])  # python -m names the file
    assert parser().format_usage().startswith(f"usage: python -m {module} [")
