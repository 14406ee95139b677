"""What commands print."""

import sys

from training.errors import DiskError


def say(text: str) -> None:
    """Print lines at once. Raises DiskError when nobody reads them any more."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise DiskError("the reader of the output went away") from None
