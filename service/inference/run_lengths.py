"""COCO's uncompressed run-length encoding of the mask of a plant."""

import numpy as np

from models_store.plants import Plant


def encode(plant: Plant, map_size: tuple[int, int], photo_size: tuple[int, int]) -> list[int]:
    """Lengths of runs of background and plant by turns, column by column, background first, on a photo of this width and height.

    map_size: width and height of the map that the plant was found on.
    """
    width, height = photo_size
    columns = _places(plant.left, plant.mask.shape[1], map_size[0], width)
    rows = _places(plant.top, plant.mask.shape[0], map_size[1], height)
    x, y = (np.arange(place.start, place.stop) for place in (columns, rows))
    across = np.clip(((x + 0.5) * map_size[0] / width).astype(int) - plant.left, 0, plant.mask.shape[1] - 1)
    down = np.clip(((y + 0.5) * map_size[1] / height).astype(int) - plant.top, 0, plant.mask.shape[0] - 1)
    mask = np.pad(plant.mask[np.ix_(down, across)].T.astype(np.int8), ((0, 0), (1, 1)))  # [columns, rows + 2]
    steps = np.diff(mask, axis=1)
    starts, ends = (np.argwhere(steps == step) for step in (1, -1))  # in the order of columns, then rows
    places = [(found[:, 0] + columns.start) * height + found[:, 1] + rows.start for found in (starts, ends)]
    edges = np.stack(places, 1).ravel()  # start, end, start, end …
    joined = np.flatnonzero(edges[1:-1:2] == edges[2::2]) * 2 + 1  # a run that goes on at the top of the next column
    edges = np.delete(edges, np.concatenate([joined, joined + 1]))
    counts: list[int] = np.diff(edges, prepend=0, append=width * height).tolist()
    return counts if counts[-1] else counts[:-1]


def _places(first: int, count: int, on_map: int, on_photo: int) -> slice:
    """The photo's pixels whose centres lie in these pixels of the map."""
    start, stop = (int(np.ceil(place * on_photo / on_map - 0.5)) for place in (first, first + count))
    return slice(max(0, start), min(on_photo, max(stop, start + 1)))
