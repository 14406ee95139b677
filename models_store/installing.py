"""How what is missing is installed."""

import shlex
import sys


def command(requirement: str) -> str:
    """The line for a shell that installs this, such as `seedlings[otel]`, into the environment that runs.

    It names the environment's own Python. A bare `pip` is often another environment's: that one has no seedlings, and would ask the
    package index for whatever somebody else may have put there under this name.
    """
    return shlex.join([sys.executable, "-m", "pip", "install", requirement])
