"""How what is missing is installed."""

import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution

PROJECT = "seedlings"


def command(requirement: str) -> str:
    """The line for a shell that installs this, such as `seedlings[otel]`, into the environment that runs.

    It names the environment's own Python. A bare `pip` is often another environment's: that one has no seedlings, and would ask the
    package index for whatever somebody else may have put there under this name. So would this one where the project runs without being
    installed, as in its images: there the line is one for the project's folder.
    """
    if requirement.startswith(f"{PROJECT}[") and not _installed():
        requirement = f".{requirement.removeprefix(PROJECT)}"
    return shlex.join([sys.executable, "-m", "pip", "install", requirement])


def _installed() -> bool:
    try:
        distribution(PROJECT)
    except PackageNotFoundError:
        return False
    return True
