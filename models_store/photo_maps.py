"""What a segmenter says of a whole photo, with the rules around its network: in the same way for training and for the service."""

from collections.abc import Callable, Generator
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from models_store import canopy, close_up, edges, greenness, plants, sure_parts, white_balance
from models_store.manifest import PlantThresholds
from models_store.plants import Map, Plant

Pixels = NDArray[np.uint8]
T = TypeVar("T")
NetworkMaps = tuple[Map, Map, Map]  # plant [H,W], centres from near [H/4,W/4] and from afar [H/16,W/16]


class Maps(NamedTuple):
    """What is seen of a photo: values 0–1."""

    plant: Map  # [H,W]
    near: Map  # [H/4,W/4], centres of plants
    afar: Map  # [H/16,W/16], centres of large plants
    leaf: Map  # [h,w], `plant` with edges by colour, so lower at places; of a large photo with more pixels. For masks and areas alone

    def plants(self, thresholds: PlantThresholds, least_px: float = 1) -> list[Plant]:
        """The plants, as `plants.find` gives them."""
        return plants.find(self.plant, self.near, self.afar, thresholds, least_px)

    def trimmed(self, one: Plant, thresholds: PlantThresholds) -> Plant:
        """One of them, with its mask where leaves are: in pixels of `leaf`."""
        return plants.trimmed(one, self.plant, self.leaf, thresholds)


def seen(
    network: Callable[[Pixels], NetworkMaps],
    photo: Pixels,
    larger: Pixels | None,
    thresholds: PlantThresholds,
    most: int = close_up.MOST_TILES,
) -> Maps:
    """The maps of a photo, as `in_steps` makes them, at once."""
    return finished(in_steps(network, photo, larger, thresholds, most))


def finished(steps: Generator[None, None, T]) -> T:
    """What comes of all steps."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found


def in_steps(
    network: Callable[[Pixels], NetworkMaps],
    photo: Pixels,
    larger: Pixels | None,
    thresholds: PlantThresholds,
    most: int,
    time_for: Callable[[int], bool] = lambda _: True,
) -> Generator[None, None, Maps]:
    """The maps of a photo, uint8 [3,H,W], scaled as `plants.map_size` says. It yields before each further use of the network.

    larger: the same photo with more pixels, uint8 [3,h,w], where thin leaves are to be looked at once more; None: they are not.
    most: squares of `larger` that are looked at. time_for: as of `close_up.seen`.
    """
    tint = white_balance.factor(photo)

    def look(part: Pixels) -> NetworkMaps:
        return network(white_balance.applied(part, tint))

    plant, near, afar = look(photo)
    where = canopy.confirmed(canopy.vegetation(photo), photo, plant >= thresholds.plant)
    if larger is not None and not canopy.is_all(where):
        plant = yield from close_up.seen(larger, plant, thresholds.plant, most, lambda tile: look(tile)[0], time_for)
    green = greenness.excess_green(photo)
    ground = greenness.of_ground(green, plant)
    plant = sure_parts.kept(plant, green, ground, thresholds)
    nearer = larger if larger is not None and where is None and close_up.is_larger(larger, plant) else None
    leaf = edges.by_colour(plant, green, ground, thresholds, nearer)
    leaf, _, _ = canopy.seen(where, (leaf, near, afar))
    return Maps(*canopy.seen(where, (plant, near, afar)), leaf)
