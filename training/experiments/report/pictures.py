"""Figures made of the data's own photos; they are built with the page and never committed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.data.images import Images
from training.experiments.report import style

COLUMNS = 6
_TITLE_WIDTH = 208  # characters of size 1 that fit over a photo


def samples(images: Images, file: Path) -> None:
    """One photo of each species, the report's figure 4: the one whose mean colour is the median of its species."""
    rows = []
    for label in range(len(images.species)):
        of_species = torch.nonzero(images.labels == label)[:, 0]
        colours = images.pixels[of_species].float().mean((1, 2, 3))  # [n]
        rows.append(int(of_species[colours.argsort()[len(colours) // 2]]))
    _grid(images, rows, images.species, file)


def gallery(images: Images, rows: Sequence[int], titles: Sequence[str], file: Path) -> None:
    """Photos with a title each."""
    _grid(images, rows, titles, file, size=8)


def overlaid(photos: Tensor, heat: Tensor, titles: Sequence[str], file: Path) -> None:
    """Photos uint8 [N,3,S,S] under their heat [N,S,S] in 0–1, with a title each."""
    with _axes(len(photos), file) as axes:
        for axis, photo, warm, title in zip(axes, photos, heat, titles, strict=False):
            axis.imshow(photo.permute(1, 2, 0).numpy())  # [S,S,3]
            axis.imshow(warm.numpy(), cmap="inferno", vmin=0, vmax=1, alpha=0.2 + 0.6 * warm.numpy())
            _set_title(axis, title, 8)


def pairs(images: Images, rows: Sequence[tuple[int, int]], titles: Sequence[str], file: Path) -> None:
    """Pairs of photos side by side, three pairs a line, one title a pair."""
    flat = [row for pair in rows for row in pair]
    heads = [title for pair in titles for title in (pair, "")]
    _grid(images, flat, heads, file, size=8)


@contextmanager
def _axes(photos: int, file: Path) -> Iterator[list[Any]]:
    lines = -(-photos // COLUMNS)
    with style.drawing(file, 10, 2.0 * lines, lines, COLUMNS, squeeze=False) as axes:
        for axis in axes.flat:
            axis.set_axis_off()
        yield list(axes.flat)


def _grid(images: Images, rows: Sequence[int], titles: Sequence[str], file: Path, size: float = 9) -> None:
    with _axes(len(rows), file) as axes:
        for axis, row, title in zip(axes, rows, titles, strict=False):
            axis.imshow(images.pixels[row].permute(1, 2, 0).numpy())  # [150,150,3]
            _set_title(axis, title, size)


def _set_title(axis: Any, title: str, size: float) -> None:
    """Each line of the title in as many lines as the width of a photo needs."""
    width = int(_TITLE_WIDTH / size)
    lines = [style.wrapped(line, width) for line in title.split("\n")]
    axis.set_title("\n".join(lines), fontsize=size, fontweight="normal", pad=4)
