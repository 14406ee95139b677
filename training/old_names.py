"""Names of an earlier release: they work for one more, with a sentence."""

import sys


def say_new_name(old: str, new: str) -> None:
    """Tell on stderr that `old` is called `new` now."""
    sys.stderr.write(f"{old} is called {new} now; the old name will not work in the next release\n")
