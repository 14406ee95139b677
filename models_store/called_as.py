"""The words that a command was called by: `seedlings train` of an installed package, or `python -m training`."""

import sys
from pathlib import PurePath


def called_as(word: str, module: str) -> str:
    """`seedlings WORD` where this process is the installed command, else `python -m MODULE`: what a usage line begins with."""
    return f"seedlings {word}" if PurePath(sys.argv[0]).stem == "seedlings" else f"python -m {module}"
