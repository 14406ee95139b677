"""COCO's uncompressed run-length encoding of the mask of a plant."""

import math

import numpy as np
from PIL import Image

from models_store.plants import Bools, Map, Plant

_STRIP = 256  # columns of a photo that are made at a time, so that a plant as large as the photo takes little memory


def encode(plant: Plant, values: Map, least: float, photo_size: tuple[int, int]) -> list[int]:
    """Lengths of runs of background and plant by turns, column by column, background first, on a photo of this width and height.

    values: the map that the plant was found on, [H,W], whose pixels are plant from `least` on. Between them it is bilinear, so the edge
    of a plant on a larger photo is as fine as the map knows it.
    """
    width, height = photo_size
    columns = _places(plant.left, plant.width, values.shape[1], width)
    rows = _places(plant.top, plant.height, values.shape[0], height)
    mask = np.zeros((columns.stop - columns.start, rows.stop - rows.start + 2), np.int8)  # [columns, rows + 2]
    for first in range(columns.start, columns.stop, _STRIP):
        strip = slice(first, min(first + _STRIP, columns.stop))
        mask[strip.start - columns.start : strip.stop - columns.start, 1:-1] = _seen(plant, values, least, strip, rows, photo_size).T
    if not mask.any():  # so thin that no pixel's middle lies in it
        mask[:, 1:-1] = _nearest(plant, values, columns, rows, photo_size).T
    steps = np.diff(mask, axis=1)
    starts, ends = (np.argwhere(steps == step) for step in (1, -1))  # in the order of columns, then rows
    places = [(found[:, 0] + columns.start) * height + found[:, 1] + rows.start for found in (starts, ends)]
    edges = np.stack(places, 1).ravel()  # start, end, start, end …
    joined = np.flatnonzero(edges[1:-1:2] == edges[2::2]) * 2 + 1  # a run that goes on at the top of the next column
    edges = np.delete(edges, np.concatenate([joined, joined + 1]))
    counts: list[int] = np.diff(edges, prepend=0, append=width * height).tolist()
    return counts if counts[-1] else counts[:-1]


def _seen(plant: Plant, values: Map, least: float, columns: slice, rows: slice, photo_size: tuple[int, int]) -> Bools:
    """Where the plant is on these columns and rows of the photo. What is of another plant is none of it."""
    across, down = values.shape[1] / photo_size[0], values.shape[0] / photo_size[1]  # pixels of the map for each of the photo
    beyond = 1 + math.ceil(max(across, down))
    left, top = max(0, math.floor(columns.start * across) - beyond), max(0, plant.top - beyond)
    around = values[top : plant.top + plant.height + beyond, left : math.ceil(columns.stop * across) + beyond]
    own = np.zeros(around.shape, bool)
    first, last = max(left, plant.left), min(left + around.shape[1], plant.left + plant.width)
    own[plant.top - top :][: plant.height, first - left : last - left] = plant.mask[:, first - plant.left : last - plant.left]
    alone = np.where(own, np.maximum(around, least), np.where(around < least, around, 0)).astype(np.float32)
    box = (columns.start * across - left, rows.start * down - top, columns.stop * across - left, rows.stop * down - top)
    inside = tuple(min(max(0.0, edge), length) for edge, length in zip(box, 2 * alone.shape[::-1], strict=True))
    size = columns.stop - columns.start, rows.stop - rows.start
    found: Bools = np.asarray(Image.fromarray(alone).resize(size, Image.Resampling.BILINEAR, inside)) >= least
    return found


def _nearest(plant: Plant, values: Map, columns: slice, rows: slice, photo_size: tuple[int, int]) -> Bools:
    """The same by the nearest pixel of the map; where no middle of a pixel lies on the plant, one pixel."""
    x, y = (np.arange(place.start, place.stop) for place in (columns, rows))
    across = np.clip(((x + 0.5) * values.shape[1] / photo_size[0]).astype(int) - plant.left, 0, plant.width - 1)
    down = np.clip(((y + 0.5) * values.shape[0] / photo_size[1]).astype(int) - plant.top, 0, plant.height - 1)
    found = plant.mask[np.ix_(down, across)]
    if not found.any():
        own = np.argwhere(plant.mask)
        row, column = own[len(own) // 2]
        found[np.argmin(np.abs(down - row)), np.argmin(np.abs(across - column))] = True
    return found


def _places(first: int, count: int, on_map: int, on_photo: int) -> slice:
    """The photo's pixels whose centres lie in these pixels of the map; the one there where none does."""
    start, stop = (int(np.ceil(place * on_photo / on_map - 0.5)) for place in (first, first + count))
    if stop <= start:
        start = int((first + count / 2) * on_photo / on_map)
    return slice(start, max(stop, start + 1))
