"""From a segmenter's maps to plants: in the same way for training, which measures them, and for the service, which answers them.

A connected part of the map is divided where two or more centres are sure. Parts that nearly touch are leaves of one plant: its stem is
too thin to be seen. A row of such parts is no plant, and each stays a part. A part, or a share of a divided one, is a clump if it may be
several plants that cannot be told apart. There are three signs of that: a second centre is likely; a part of more than three quarters of
the photo's shorter side has no centre; its shape, and its size beside the photo's other parts, are those of several plants. Else it is
one plant. A segmenter may come with a classifier that knows better: `models_store.clumps`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull

from models_store.manifest import PhotoInput, PlantThresholds

NEAR_PX = 150  # of a part's longer side: larger ones have their centres in the map from afar
_BRIDGE = 0.3  # of the threshold of plant: pixels over this share of it join parts
_LEAF_GAP_PX, _LEAF_GAP = 16, 0.5  # between two leaves of one plant at most: pixels of the map, and of the shorter leaf's longer side
_LEAVES = 3  # times the longest leaf: a plant is no longer than that; what is, is a row of plants
_LEAF_SIDE = 10  # pixels of the map: smaller parts are plants of their own, since those may stand as near as that
_MOST_LEAVES = 500  # of a photo whose neighbours are looked for, the largest
_MOST_LOOKED_AT = 4  # times the map: what is looked at for all of them, the smallest first
_MOST_PARTS = 4096  # of a photo that are looked at, the largest; a lawn or noise can have many more
_LARGE = 0.75  # of the photo's shorter side: a part without a sure centre that is larger is a clump
_COUNTED = 0.01  # of the map's width: parts from this size on say what size a photo's plants have
# By logistic regression on parts that hold one plant or several: of composed pictures, of training images, and of the first half of
# the photos from fields. training/LOG.md has what it is worth on others.
_BY_HULL, _BY_SPREAD, _BY_OUTLINE, _BY_SIZE, _LIKE_SEVERAL = 0.42, -0.57, 1.04, 0.15, 1.68
CORNERS = np.ones((3, 3))  # neighbours at corners touch, too
_PEAK = 5  # places a side, within which a centre is the highest
_MOST_CENTRES = 256  # of one part, the surest

Bools = NDArray[np.bool_]
Map = NDArray[np.float32]


@dataclass(frozen=True)
class Plant:
    """One plant, or a clump of them, in pixels of the map."""

    left: int
    top: int
    mask: Bools  # [height, width], of its box
    clump: bool
    canopy: bool = False  # it is a clump since it is longer than most of the photo's shorter side, and has no centre
    score: float = 1.0  # how sure it is that this is a plant, 0–1: see `sureness`

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.mask.shape[1])

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.mask.shape[0])

    @property
    def area(self) -> int:
        """Pixels that are plant."""
        return int(np.count_nonzero(self.mask))


def map_size(width: int, height: int, wanted: PhotoInput) -> tuple[int, int]:
    """Width and height to which a photo is scaled for a segmenter: its longer side as wanted, both multiples as wanted."""
    scale = min(wanted.side / max(width, height), wanted.enlarged)
    across, down = (max(1, round(length * scale / wanted.multiple)) * wanted.multiple for length in (width, height))
    return across, down


def find(plant: Map, near: Map, afar: Map, thresholds: PlantThresholds, least_px: float = 1) -> list[Plant]:
    """The plants of a photo, largest first: maps [H,W], [H/4,W/4], [H/16,W/16] of values 0–1.

    least_px: of a plant's longer side, in pixels of the map; smaller ones are left out.
    """
    labels = _parts(plant, thresholds.plant)
    boxes = [(number, box) for number, box in enumerate(ndimage.find_objects(labels), 1) if box is not None]
    areas = np.bincount(labels.ravel())
    counted = [areas[number] for number, box in boxes if _side(box) >= _COUNTED * plant.shape[1]]
    usual_px = float(np.median(counted)) if counted else 1.0
    parts = sorted(((number, box) for number, box in boxes if _side(box) >= least_px), key=lambda part: -_side(part[1]))[:_MOST_PARTS]
    found: list[Plant] = []
    peaks = [(plant.shape[0] / len(centres), _peaks(centres, thresholds.doubt)) for centres in (near, afar)]
    for number, box in parts:
        mask = labels[box] == number
        scale, (rows, columns, values) = peaks[0] if _side(box) <= NEAR_PX else peaks[1]
        y, x = (rows + 0.5) * scale - 0.5 - box[0].start, (columns + 0.5) * scale - 0.5 - box[1].start
        inside = (y > -0.5) & (y < mask.shape[0] - 0.5) & (x > -0.5) & (x < mask.shape[1] - 0.5)
        centres = np.stack([y[inside], x[inside], values[inside]], 1)
        of_it = _divided(mask, box, centres, thresholds, _LARGE * min(plant.shape), usual_px)
        found += [replace(one, score=_score(plant, one)) for one in of_it]
    return sorted((one for one in found if max(one.mask.shape) >= least_px), key=lambda one: (-one.area, one.top, one.left))


def trimmed(one: Plant, plant: Map, leaf: Map, thresholds: PlantThresholds) -> Plant:
    """A plant, found on a map [H,W], with its mask on a map of leaves [h,w] that has as many pixels or more.

    The mask has the pixels of its box that are leaf and of no other plant. If there are none, it stays as it was. Its place is in pixels
    of the map of leaves.
    """
    box = slice(one.top, one.top + one.height), slice(one.left, one.left + one.width)
    rows, y = _finer(box[0], len(plant), len(leaf))
    columns, x = _finer(box[1], plant.shape[1], leaf.shape[1])
    of_others = (plant[box] >= thresholds.plant) & ~one.mask
    or_beside = ndimage.maximum_filter(one.mask.view(np.uint8), 3, mode="constant").view(bool)  # an edge lies between two pixels
    mask = (or_beside & ~of_others)[np.ix_(y, x)] & (leaf[rows, columns] >= thresholds.plant)
    if not mask.any():
        mask = one.mask[np.ix_(y, x)]
    return replace(one, top=rows.start, left=columns.start, mask=mask)


def _finer(side: slice, length: int, fine: int) -> tuple[slice, NDArray[np.int64]]:
    """The pixels of a side with `fine` pixels that lie in a part of one with `length`, and the nearest one of that part to each."""
    start = -(-side.start * fine // length)
    within = slice(start, max(start + 1, side.stop * fine // length))
    nearest = (2 * np.arange(within.start, within.stop) + 1) * length // (2 * fine) - side.start
    return within, nearest.clip(0, side.stop - side.start - 1)


def sureness(plant: Map) -> Map:
    """The highest value within 3×3 pixels of each pixel, [H,W] → [H,W]. Its mean over a part says how sure the segmenter is of that.

    The map itself is low at edges, and a thin leaf is hardly more than edges. This way they do not count against it.
    """
    padded = np.pad(plant, 1, mode="edge")
    rows = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    highest: Map = np.maximum(np.maximum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return highest


def with_odds(probabilities: Map, times: Map) -> Map:
    """Probabilities whose odds are so many times as high, of any shape."""
    plant = probabilities * times
    changed: Map = plant / (1 - probabilities + plant).clip(1e-9)
    return changed


def _parts(plant: Map, least: float) -> NDArray[np.int32]:
    """Which part each pixel over `least` is of, 0 for the others: [H,W]. Leaves of one plant are one part."""
    sure = plant >= least
    labels, count = ndimage.label(plant >= _BRIDGE * least, CORNERS)
    boxes = ndimage.find_objects(labels)
    sides = np.array([0, *(_side(box) for box in boxes)])
    seen = np.bincount(labels[sure], minlength=count + 1) > 0
    leaves = np.flatnonzero(seen & (sides >= _LEAF_SIDE))
    near = _near(labels, boxes, sides, leaves[np.argsort(sides[leaves], kind="stable")[-_MOST_LEAVES:]])
    groups, group = connected_components(coo_array((np.ones(len(near)), near.T), (count + 1, count + 1)), directed=False)
    longest, first, last = np.zeros(groups), np.full((groups, 2), np.inf), np.zeros((groups, 2))
    np.maximum.at(longest, group, sides)
    if boxes:
        np.minimum.at(first, group[1:], [[side.start for side in box] for box in boxes])
        np.maximum.at(last, group[1:], [[side.stop for side in box] for box in boxes])
    row = (last - first).max(1) > _LEAVES * longest + _LEAF_GAP_PX
    numbers = np.where(row[group], groups + np.arange(count + 1), group) + 1
    found: NDArray[np.int32] = np.where(sure, numbers[labels], 0).astype(np.int32)
    return found


def _near(
    labels: NDArray[np.int32], boxes: list[tuple[slice, slice]], sides: NDArray[np.int64], leaves: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The pairs of these leaves that are near enough to be of one plant: [P,2]."""
    pairs, left = [], _MOST_LOOKED_AT * labels.size
    is_leaf = np.zeros(len(sides), bool)
    is_leaf[leaves] = True
    for leaf in leaves:
        reach = min(_LEAF_GAP_PX, _LEAF_GAP * sides[leaf])
        rows, columns = (slice(max(0, side.start - int(reach)), side.stop + int(reach)) for side in boxes[leaf - 1])
        around = labels[rows, columns]
        left -= around.size
        if left < 0:
            break
        others = is_leaf[around] & (around != leaf)
        if others.any():
            apart = ndimage.distance_transform_edt(around != leaf)[others]
            near = around[others][apart <= np.minimum(reach, _LEAF_GAP * sides[around[others]])]
            pairs += [(leaf, other) for other in np.unique(near)]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _divided(
    mask: Bools,
    box: tuple[slice, slice],
    centres: NDArray[np.float64],
    thresholds: PlantThresholds,
    large_px: float,
    usual_px: float,
) -> list[Plant]:
    """The plants of one part: itself, or its shares of several sure centres [C,3] of row, column and value."""
    top, left = box[0].start, box[1].start
    owners = _owners(mask, centres)
    kept = sorted({*owners.tolist()})
    of_it = centres[kept] if len(centres) else centres
    sure = of_it[of_it[:, 2] >= thresholds.centre]
    if len(sure) < 2:
        canopy = not len(of_it) and max(mask.shape) > large_px
        return [Plant(left, top, mask, canopy or len(of_it) > 1 or _like_several(mask, usual_px), canopy)]
    rows, columns = np.nonzero(mask)
    sure = sure[np.argsort(-sure[:, 2], kind="stable")[:_MOST_CENTRES]]
    nearest = _nearest(rows, columns, sure)
    plants = []
    for number in range(len(sure)):
        y, x = rows[nearest == number], columns[nearest == number]
        if len(y):
            share = np.zeros((y.max() - y.min() + 1, x.max() - x.min() + 1), bool)
            share[y - y.min(), x - x.min()] = True
            plants.append(Plant(left + int(x.min()), top + int(y.min()), share, _like_several(share, usual_px)))
    return plants


def _like_several(mask: Bools, usual_px: float) -> bool:
    """Whether a part has the shape and size of several plants."""
    by_hull, by_spread, by_outline, by_size = signs(mask, usual_px)
    return _BY_HULL * by_hull + _BY_SPREAD * by_spread + _BY_OUTLINE * by_outline + _BY_SIZE * by_size > _LIKE_SEVERAL


def signs(mask: Bools, usual_px: float) -> tuple[float, float, float, float]:
    """What tells several plants from one, each as a logarithm: bool [h,w] of one part.

    How much larger its convex hull is than itself; how far it spreads, and how long its outline is (Cox 1927), beside a disc's; its area
    beside the usual one of the photo's parts.
    """
    area = np.count_nonzero(mask)
    rows = np.flatnonzero(mask.any(1))
    first, last = mask[rows].argmax(1), mask.shape[1] - mask[rows, ::-1].argmax(1)
    corners = [np.stack([rows + below, ends], 1) for below in (0, 1) for ends in (first, last)]
    hull = ConvexHull(np.concatenate(corners)).volume  # of two dimensions, which is an area
    spread = 2 * math.pi * (np.argwhere(mask).var(0).sum() + 1 / 6) / area  # 1 for a disc; a pixel has 1/12 either way
    around = np.pad(mask, 1)
    outline = sum(np.count_nonzero(np.diff(around, axis=axis)) for axis in (0, 1))
    return math.log(hull / area), math.log(spread), math.log(outline**2 / (4 * math.pi * area)), math.log(area / usual_px)


def _owners(mask: Bools, centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which centres [C,3] have pixels of the mask nearest to them. A neighbour's centre inside of the box has none, or few."""
    if len(centres) < 2:
        return np.arange(len(centres))
    rows, columns = np.nonzero(mask)
    counts = np.bincount(_nearest(rows, columns, centres[:_MOST_CENTRES]), minlength=len(centres))
    owners: NDArray[np.int64] = (counts >= 0.08 * len(rows)).nonzero()[0]
    return owners


def _nearest(rows: NDArray[np.int64], columns: NDArray[np.int64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each pixel the number of its nearest centre."""
    best, nearest = np.full(len(rows), np.inf), np.zeros(len(rows), np.int64)
    for number, (y, x, _) in enumerate(centres):
        square = (rows - y) ** 2 + (columns - x) ** 2
        closer = square < best
        best[closer], nearest[closer] = square[closer], number
    return nearest


def _peaks(centres: Map, least: float) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Rows, columns and values of the map's hills of at least that height; of a flat top its middle."""
    top = (centres >= least) & (centres == ndimage.maximum_filter(centres, _PEAK))
    labels, count = ndimage.label(top, CORNERS)
    rows, columns = np.nonzero(labels)
    hills = labels[rows, columns] - 1
    sizes = np.maximum(1, np.bincount(hills, minlength=count))
    y, x, values = (np.bincount(hills, of, count) / sizes for of in (rows, columns, centres[rows, columns]))
    return y, x, values


def _score(plant: Map, one: Plant) -> float:
    top, left = max(0, one.top - 1), max(0, one.left - 1)  # with the neighbours of its box
    sure = sureness(plant[top : one.top + one.height + 1, left : one.left + one.width + 1])
    return float(sure[one.top - top :, one.left - left :][: one.height, : one.width][one.mask].mean(dtype=np.float64))


def _side(box: Sequence[slice]) -> int:
    return max(int(part.stop - part.start) for part in box)
