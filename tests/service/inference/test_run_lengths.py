"""COCO's run-length encoding, decoded as COCO's own tools do."""

import numpy as np
import pytest

from models_store.plants import Plant
from service.inference import run_lengths


def decoded(counts, width, height):
    flat = np.zeros(width * height, bool)
    at, value = 0, False
    for count in counts:
        flat[at : at + count] = value
        at, value = at + count, not value
    assert at <= width * height
    return flat.reshape(width, height).T


@pytest.mark.parametrize("seed", range(5))
def test_a_mask_comes_back(seed):
    random = np.random.default_rng(seed)
    mask = random.random((7, 9)) > 0.4
    mask[0], mask[:, 3] = True, True
    counts = run_lengths.encode(Plant(4, 5, mask, clump=False), (20, 16), (20, 16))
    expected = np.zeros((16, 20), bool)
    expected[5:12, 4:13] = mask
    assert (decoded(counts, 20, 16) == expected).all()
    assert min(counts[1:]) > 0


def test_runs_go_on_from_column_to_column():
    assert run_lengths.encode(Plant(1, 0, np.ones((4, 2), bool), clump=False), (4, 4), (4, 4)) == [4, 8, 4]
    assert run_lengths.encode(Plant(0, 0, np.ones((4, 4), bool), clump=False), (4, 4), (4, 4)) == [0, 16]


def test_a_map_of_another_size_than_the_photo():
    counts = run_lengths.encode(Plant(2, 1, np.ones((2, 3), bool), clump=False), (8, 6), (80, 60))
    expected = np.zeros((60, 80), bool)
    expected[10:30, 20:50] = True
    assert (decoded(counts, 80, 60) == expected).all()
    smaller = decoded(run_lengths.encode(Plant(5, 3, np.ones((1, 1), bool), clump=False), (64, 64), (20, 20)), 20, 20)
    assert smaller.sum() == 1
