"""How well plants are found on photos with masks: their pixels, and each plant by its box."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from tqdm import tqdm

from models_store import plants
from models_store.greenness import excess_green
from models_store.manifest import PlantFigures, PlantThresholds
from models_store.photo_maps import Maps
from training.artifact import segmenter_card
from training.data import masked_photos
from training.data.masked_photos import Half
from training.errors import DataError

LEAST_SIDE = 30  # pixels of the longer side of a plant that is counted
LEAF_GAP = 8  # pixels between two leaves of one plant at most; chosen by eye on the first half of the frames from Bonn
_SAME = 0.5  # IoU of two boxes from which on they are of one plant
_GREEN = 0.1  # the fixed threshold of the excess green index
_BINS = 256

Segment = Callable[[NDArray[np.uint8]], Maps]  # a photo of any size, uint8 [3,h,w]
Box = tuple[float, float, float, float]  # left, top, right, bottom


def figures(
    segment: Segment,
    folder: Path,
    thresholds: PlantThresholds,
    *,
    single: bool,
    learnt_from: str,
    half: Half | None = None,
) -> PlantFigures:
    """Figures on the photos of a folder with masks. `single`: parts of a mask that lie apart are plants, so plants are counted.

    Raises DataError.
    """
    files = masked_photos.files(folder, half)
    both, either = np.zeros(3), np.zeros(3)
    true = false = missed = drawn_px = 0
    errors: list[int] = []
    for file in tqdm(files, "measuring", leave=False, disable=None):
        image, drawn = masked_photos.read(file)
        photo = np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))
        height, width = drawn.shape
        drawn_px += int(np.count_nonzero(drawn))
        maps = segment(photo)
        whole = np.asarray(Image.fromarray(maps.leaf).resize((width, height), Image.Resampling.BILINEAR))
        green = excess_green(photo)
        for number, found in enumerate((whole >= thresholds.plant, green >= _GREEN, green >= otsu(green))):
            both[number] += np.count_nonzero(found & (drawn > 0))
            either[number] += np.count_nonzero(found | (drawn > 0))
        if single:
            scale = (width / maps.plant.shape[1], height / maps.plant.shape[0])
            boxes = [_scaled(plant, scale) for plant in maps.plants(thresholds)]
            hits, wrong, lacking, error = compare(boxes, boxes_of(drawn))
            true, false, missed = true + hits, false + wrong, missed + lacking
            errors.append(error)
    if not (drawn_px or single):
        raise DataError(
            f"{folder}: by their masks there is no plant on these photos, so nothing to measure by; 0 is background, all else plant"
        )
    ious = [float(a / b) if b else 1.0 for a, b in zip(both, either, strict=True)]
    precision, recall = (true / max(1, true + other) for other in (false, missed))
    return PlantFigures(
        folder=masked_photos.home(folder).name,
        photos=len(files),
        learnt_from=learnt_from,
        iou=ious[0],
        green_fixed_iou=ious[1],
        green_otsu_iou=ious[2],
        least_side=LEAST_SIDE,
        leaf_gap=LEAF_GAP,
        plants=true + missed if single else None,
        precision=precision if single else None,
        recall=recall if single else None,
        f1=2 * true / max(1, 2 * true + false + missed) if single else None,
        count_error=float(np.mean(errors)) if single else None,
    )


def text(found: PlantFigures) -> str:
    """One folder's figures in a line."""
    line = (
        f"{found.folder}: IoU of plants {found.iou:.3f} on {found.photos} photo{_s(found.photos)};"
        f" excess green {found.green_fixed_iou:.3f} over {_GREEN:g}, {found.green_otsu_iou:.3f} by Otsu"
    )
    if found.f1 is not None:
        precision, recall, f1 = segmenter_card.shares(found)
        line += (
            f"; {found.plants} plant{_s(found.plants)} over {found.least_side} px: precision {precision}, recall {recall}, F1 {f1},"
            f" count wrong by {found.count_error:.2f} a photo"
        )
    return f"{line}; learnt from: {found.learnt_from}"


def _s(number: int | None) -> str:
    return "" if number == 1 else "s"


def compare(found: Sequence[Box], drawn: Sequence[Box]) -> tuple[int, int, int, int]:
    """Of one photo: plants found, found wrongly, missed, and by how many the count is wrong.

    Boxes are matched one to one, the best IoU first. What is smaller than `LEAST_SIDE` counts neither as wrong nor as missed.
    """
    pairs = sorted(((iou(one, other), i, j) for i, one in enumerate(found) for j, other in enumerate(drawn)), reverse=True)
    taken: dict[int, int] = {}  # found → drawn
    used: set[int] = set()
    for value, i, j in pairs:
        if value < _SAME:
            break
        if i not in taken and j not in used:
            taken[i] = j
            used.add(j)
    hits = sum(side(drawn[j]) >= LEAST_SIDE for j in used)
    wrong = sum(side(one) >= LEAST_SIDE for i, one in enumerate(found) if i not in taken)
    n_drawn = sum(side(one) >= LEAST_SIDE for one in drawn)
    return hits, wrong, n_drawn - hits, abs(sum(side(one) >= LEAST_SIDE for one in found) - n_drawn)


def boxes_of(mask: NDArray[np.uint8]) -> list[Box]:
    """The boxes of a mask's plants: of its parts of one value, those nearer than `LEAF_GAP` together.

    Masks of young plants often lack the stem, so that each leaf is a part of its own.
    """
    boxes = []
    for value, place in enumerate(ndimage.find_objects(mask), 1):
        if place is None:
            continue
        top, left = (max(0, side.start - LEAF_GAP) for side in place)  # not the whole photo for each of many plants
        part = mask[top : place[0].stop + LEAF_GAP, left : place[1].stop + LEAF_GAP] == value
        near, _ = ndimage.label(ndimage.distance_transform_edt(~part) <= LEAF_GAP / 2, np.ones((3, 3)))
        for y, x in ndimage.find_objects(near * part):
            boxes.append((float(left + x.start), float(top + y.start), float(left + x.stop), float(top + y.stop)))
    return boxes


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return width * height / (areas - width * height)


def side(box: Box) -> float:
    """The longer side of a box."""
    return max(box[2] - box[0], box[3] - box[1])


def otsu(values: NDArray[np.float32]) -> float:
    """The threshold that divides values best in two (Otsu 1979): the least variance within the two, of 256 equal bins.

    Where all are the same, as of a photo without colours, it lies above them.
    """
    if values.min() == values.max():
        return math.inf
    counts, edges = np.histogram(values, _BINS)
    middles = (edges[1:] + edges[:-1]) / 2
    below, total = np.cumsum(counts), counts.sum()
    sums = np.cumsum(counts * middles)
    above = total - below
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(edges[int(np.nanargmax(between)) + 1])


def _scaled(plant: plants.Plant, scale: tuple[float, float]) -> Box:
    return (
        plant.left * scale[0],
        plant.top * scale[1],
        (plant.left + plant.width) * scale[0],
        (plant.top + plant.height) * scale[1],
    )
