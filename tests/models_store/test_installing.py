"""The command is one that a shell runs, by the Python of this environment."""

import subprocess
import sys

import pytest

from models_store import installing


def test_names_this_environment_and_survives_a_shell() -> None:
    line = installing.command("seedlings[otel]")
    seen = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True).stdout
    assert seen.splitlines() == [sys.executable, "-m", "pip", "install", "seedlings[otel]"]


def test_where_the_project_is_not_installed_the_index_is_not_asked_for_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "PROJECT", "seedlings-elsewhere")
    assert installing.command("seedlings-elsewhere[otel]").endswith(" -m pip install '.[otel]'")
    assert installing.command("openvino").endswith(" -m pip install openvino")
