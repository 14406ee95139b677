"""How green a photo is, and its ground."""

import numpy as np
import pytest

from models_store.greenness import excess_green, of_ground


def test_the_index() -> None:
    photo = np.array([[[40, 100, 0]], [[150, 100, 0]], [[40, 100, 0]]], np.uint8)
    assert excess_green(photo).ravel() == pytest.approx([220 / 230, 0, 0])


def test_ground_is_where_no_plant_is_near() -> None:
    green, plant = np.zeros((64, 64), np.float32), np.zeros((64, 64), np.float32)
    green[:, :32], plant[:, :32], plant[32:, 32:] = 0.5, 0.1, 0.09
    ground = of_ground(green, plant)
    assert ground is not None
    assert ground.shape == (4 * 8 * 4, 9)  # four blocks in each cell of the right half
    assert not ground.any()


def test_of_too_little_ground_nothing_is_said() -> None:
    green = np.zeros((64, 64), np.float32)
    plant = np.ones((64, 64), np.float32)
    plant[:, 40:] = 0
    assert of_ground(green, plant) is None  # 96 blocks
    plant[:, 32:] = 0
    assert of_ground(green, plant) is not None
    assert of_ground(green[:5, :5], plant[:5, :5]) is None


def test_a_mirrored_photo_has_the_same_blocks() -> None:
    green = np.random.default_rng(0).random((64, 96)).astype(np.float32)
    blocks = of_ground(green, 0 * green)
    mirrored = of_ground(np.ascontiguousarray(green[:, ::-1]), 0 * green)
    assert blocks is not None
    assert mirrored is not None
    assert sorted(map(tuple, np.sort(blocks, 1))) == sorted(map(tuple, np.sort(mirrored, 1)))
