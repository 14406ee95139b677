"""Pictures of anything, in folders of any shape."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models_store import image_files, pixels
from training.data.images import photos_beside_masks
from training.errors import DataError


def load(folder: Path) -> Tensor:
    """The central squares of all pictures in a folder and in those in it, but for masks, uint8 [N,3,150,150], sorted by name.

    Raises DataError for a folder without pictures, or naming the file that cannot be read.
    """
    files = sorted(photos_beside_masks(folder))
    if not files:
        raise DataError(f"{folder} holds no pictures ({image_files.NAMED}); name a folder of some")
    squares = []
    for file in files:
        try:
            squares.append(pixels.decode(file, pixels.SIZE))
        except (pixels.PixelsError, OSError) as error:
            raise DataError(f"{file}: {error}; replace the file or remove it") from None
    return torch.from_numpy(np.stack(squares))
