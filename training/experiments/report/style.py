"""How every figure looks, and how it becomes a PNG."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from training.atomic_files import write_atomically

# Okabe and Ito's colours, which people who do not tell red from green tell apart too.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#AA4499", "#8a8a8a"
INK = "#222222"
_CHARACTERS_AN_INCH = 12  # of text at the usual size
_LINE_OF_LEGEND = 6  # characters beside each text of a legend: its line, and the gap before the next one
_STYLE: Any = {  # a dict; matplotlib's own type for it lists every key there is
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.edgecolor": "#999999",
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "text.color": INK,
    "text.parse_math": False,  # a species named a$b$ is no formula
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}


@contextmanager
def drawing(file: Path, width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> Iterator[Any]:
    """A figure of `width` × `height` inches: yields its axes (one, or an array of them), then writes the PNG `file`.

    Raises DiskError.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), dpi=144, layout="constrained")
        yield figure.subplots(rows, columns, **options)
        write_atomically(file, lambda stream: figure.savefig(stream, format="png", metadata={"Software": None}))


def legend(axis: Any) -> None:
    """What the lines of an axis mean: above the whole figure, where it lies over none of them."""
    handles, labels = axis.get_legend_handles_labels()
    labels = [shortened(label, 60) for label in labels]
    width = int(axis.figure.get_figwidth() * _CHARACTERS_AN_INCH)
    columns = max(1, min(len(labels), width // (max(map(len, labels)) + _LINE_OF_LEGEND)))
    axis.figure.legend(handles, labels, loc="outside upper left", ncols=columns)


def shortened(text: str, most: int) -> str:
    """`text` in at most so many characters: what is too many goes from its middle."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[len(text) - (most - 1) // 2 :]}"


def wrapped(text: str, most: int, lines: int = 2) -> str:
    """`text` in lines of at most so many characters, and at most so many of them."""
    return "\n".join(textwrap.wrap(text, most, max_lines=lines, placeholder="…")) or text


def percent(axis: Any, decimals: int = 0) -> None:
    """Ticks of an axis that counts in shares of 1 as percentages."""
    axis.set_major_formatter(mpl.ticker.PercentFormatter(1, decimals))
