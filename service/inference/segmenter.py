"""A loaded segmenter: what of a photo is plant, and which of its parts are clumps."""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models_store import close_up, clumps, photo_maps, white_balance
from models_store.manifest import SegmenterManifest
from models_store.photo_maps import Maps, NetworkMaps
from models_store.plants import Plant
from service.errors import ModelFailed
from service.inference.runtimes.choice import Chosen
from service.inference.runtimes.runtime import Runtime

AT_ONCE = 4  # parts that the classifier of clumps looks at
_TURN_S = 0.25  # of a photo, before others have theirs; a look at a whole one is not divided
_USUAL = close_up.MOST_TILES  # squares of a photo; where others are there, each one beyond these is a turn of its own
_MAP_SQUARES = 20  # looks at a square that take as long as one at a whole photo
Pixels = NDArray[np.uint8]


class Segmenter:
    """One loaded version."""

    def __init__(self, manifest: SegmenterManifest, chosen: Chosen, classifier: Runtime | None = None) -> None:
        """`classifier`: of clumps, where it has one: uint8 [P,4,S,S] → float32 [P]."""
        self.manifest, self._classifier = manifest, classifier
        self.runtime, self._runtime = chosen

    @property
    def version(self) -> str:
        """The version, as it stands in answers."""
        return str(self.manifest.version)

    def segment(self, photo: Pixels) -> Maps:
        """uint8 [3, h, w], scaled as `models_store.plants.map_size` says → maps of values 0–1, by one look. Raises ModelFailed."""
        return photo_maps.seen(self._maps, photo, None, self.manifest.thresholds)

    def in_steps(
        self, photo: Pixels, larger: Pixels, most: int, time_for: Callable[[int], bool] = lambda _: True
    ) -> Generator[None, None, Maps]:
        """The same; thin leaves are looked at once more on the photo with more pixels, uint8 [3, H, W], in so many squares at most.

        It yields before each of them. time_for: as of `models_store.close_up.seen`. Raises ModelFailed.
        """
        in_tiles = close_up.TILE_PX % self.manifest.input.multiple == 0
        return photo_maps.in_steps(self._maps, photo, larger if in_tiles else None, self.manifest.thresholds, most, time_for)

    def _maps(self, photo: Pixels) -> NetworkMaps:
        try:
            plant, near, afar = (values[0] for values in self._runtime(photo[None], True))
        except Exception as error:
            raise ModelFailed("the segmenter raised an error") from error
        if plant.shape != photo.shape[1:] or near.ndim != 2 or afar.ndim != 2:
            raise ModelFailed("the segmenter's output has a wrong shape")
        if not all(np.isfinite(values).all() for values in (plant, near, afar)):
            raise ModelFailed("the segmenter's output is not a number")
        return plant, near, afar

    def classify(self, photo: Pixels, found: Sequence[Plant]) -> list[Plant]:
        """The plants of a photo, scaled as for `segment`, each classified anew as a clump or one plant. Raises ModelFailed.

        Those of a version without a classifier come back as they are, and so do those that are smaller than it knows.
        """
        limit = self.manifest.thresholds.clump
        known = [number for number, plant in enumerate(found) if max(plant.mask.shape) >= clumps.LEAST_PX]
        plants = list(found)
        if self._classifier is None or limit is None or not known:
            return plants
        large = [plants[number] for number in known]
        probabilities = self._probabilities(self._classifier, clumps.crops(white_balance.balanced(photo), large))
        for number, plant in zip(known, clumps.classified(large, probabilities, limit), strict=True):
            plants[number] = plant
        return plants

    @staticmethod
    def _probabilities(classifier: Runtime, crops: Pixels) -> NDArray[np.float32]:
        probabilities = np.zeros(len(crops), np.float32)
        for first in range(0, len(crops), AT_ONCE):
            some = crops[first : first + AT_ONCE]
            batch = np.zeros((AT_ONCE, *crops.shape[1:]), np.uint8)  # of one shape: torch compiles for each one anew
            batch[: len(some)] = some
            try:
                (values,) = classifier(batch, False)
            except Exception as error:
                raise ModelFailed("the segmenter's classifier of clumps raised an error") from error
            if values.shape != (AT_ONCE,) or not np.isfinite(values).all():
                raise ModelFailed("the segmenter's classifier of clumps gives no probability for each part")
            probabilities[first : first + AT_ONCE] = values[: len(some)]
        return probabilities


class Looking:
    """A photo that is looked at in turns: between them others have theirs, and one that nobody waits for any more takes none."""

    def __init__(
        self, segmenter: Segmenter, photo: Pixels, larger: Pixels, most: int, until: float, crowded: Callable[[], bool] = lambda: False
    ) -> None:
        """As of `Segmenter.in_steps`; until: the time of `time.monotonic` at which it is to be done; crowded: whether others are there."""
        self.spent_s = 0.0  # in turns
        self._crowded = crowded
        self._pace = _Pace(until)
        self._steps = segmenter.in_steps(photo, larger, most, self._pace.time_for)

    def turn(self) -> Maps | None:
        """Go on for a while: the maps once all is seen, else None. Raises ModelFailed."""
        started = time.monotonic()
        self._pace.began = self._pace.began or started
        try:
            while time.monotonic() < started + _TURN_S:
                next(self._steps)
                self._pace.squares += 1
                if self._pace.squares > _USUAL and self._crowded():
                    break
        except StopIteration as end:
            maps: Maps = end.value
            return maps
        finally:
            self.spent_s += time.monotonic() - started
        return None


@dataclass
class _Pace:
    """How fast a photo is looked at. It knows nothing of the photo, so one that is given up is let go of at once."""

    until: float
    began: float = 0.0
    squares: int = 0  # looked at

    def time_for(self, squares: int) -> bool:
        """By how long it took so far, others' turns counted in. There always is for the first ones: a usual answer depends on no load."""
        if self.squares + squares <= _USUAL:
            return True
        now = time.monotonic()
        return now + squares * (now - self.began) / (_MAP_SQUARES + self.squares) <= self.until
