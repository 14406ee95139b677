"""A loaded segmenter: what of a photo is plant."""

import numpy as np
from numpy.typing import NDArray

from models_store import canopy, white_balance
from models_store.manifest import SegmenterManifest
from models_store.plants import Map
from service.errors import ModelFailed
from service.inference.runtimes.choice import Chosen

Maps = tuple[Map, Map, Map]  # plant [h,w], centres from near [h/4,w/4] and from afar [h/16,w/16]


class Segmenter:
    """One loaded version."""

    def __init__(self, manifest: SegmenterManifest, chosen: Chosen) -> None:
        self.manifest = manifest
        self.runtime, self._runtime = chosen

    @property
    def version(self) -> str:
        """The version, as it stands in answers."""
        return str(self.manifest.version)

    def segment(self, photo: NDArray[np.uint8]) -> Maps:
        """uint8 [3, h, w], scaled as `models_store.plants.map_size` says → maps of values 0–1.

        What the network sees in another light, or cannot tell, `models_store` has rules for: tint, canopy.

        Raises ModelFailed.
        """
        try:
            plant, near, afar = (values[0] for values in self._runtime(white_balance.balanced(photo)[None], True))
        except Exception as error:
            raise ModelFailed("the segmenter raised an error") from error
        if plant.shape != photo.shape[1:] or near.ndim != 2 or afar.ndim != 2:
            raise ModelFailed("the segmenter's output has a wrong shape")
        if not all(np.isfinite(values).all() for values in (plant, near, afar)):
            raise ModelFailed("the segmenter's output is not a number")
        return canopy.seen(photo, (plant, near, afar))
