"""The tools of these tests come with the `test` extra, as programs beside the interpreter."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def set_in_image(variable: str) -> int:
    """A number that the service's image sets in its environment."""
    (value,) = re.findall(rf"{variable}=(\d+)", (ROOT / "Dockerfile").read_text())
    return int(value)


@pytest.fixture
def tool() -> Callable[..., str]:
    """Runs a program of the test extra in the project's folder and gives its output; a failure of it is the test's."""

    def run(name: str, *arguments: str, **environment: str) -> str:
        program = Path(sys.executable).parent / name
        done = subprocess.run([program, *arguments], cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{name} {' '.join(arguments)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    return run
