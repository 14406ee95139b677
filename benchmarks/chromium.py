"""The Chromium that tests, pictures and benchmarks open the page with."""

import os
import shutil

COMMANDS = ("chromium-headless-shell", "chromium", "google-chrome")  # the first has no windows and menus, which cost as well


def executable() -> str | None:
    """What SEEDLINGS_BROWSER names, or a Chromium of the system; None where there is none."""
    return os.environ.get("SEEDLINGS_BROWSER") or next(filter(None, map(shutil.which, COMMANDS)), None)
