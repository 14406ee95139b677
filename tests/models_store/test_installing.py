"""The command is one that a shell runs, by the Python of this environment."""

import subprocess
import sys

from models_store import installing


def test_names_this_environment_and_survives_a_shell() -> None:
    line = installing.command("seedlings[otel]")
    seen = subprocess.run(["sh", "-c", f"printf '%s\\n' {line}"], capture_output=True, text=True, check=True).stdout
    assert seen.splitlines() == [sys.executable, "-m", "pip", "install", "seedlings[otel]"]
