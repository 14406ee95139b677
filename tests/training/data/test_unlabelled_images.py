"""Pictures in folders of any shape."""

import pytest
import torch
from PIL import Image

from training.data import unlabelled_images
from training.errors import DataError


def test_all_of_a_tree_but_its_masks(tmp_path):
    for name, colour in (("a.png", "red"), ("deep/er/b.jpg", "blue"), ("masks/a.png", "white")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (200, 300), colour).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    found = unlabelled_images.load(tmp_path)
    assert (found.shape, found.dtype) == ((2, 3, 150, 150), torch.uint8)
    assert found[0, :, 75, 75].tolist() == [255, 0, 0]
    assert found[1, 2, 75, 75] > 250


def test_none_and_a_broken_one_are_named(tmp_path):
    with pytest.raises(DataError, match="holds no pictures"):
        unlabelled_images.load(tmp_path)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a\.png: .*replace the file or remove it"):
        unlabelled_images.load(tmp_path)
