"""Pictures that are no seedlings."""

import numpy as np
import pytest
import torch

from training.evaluation import synthetic_ood


@pytest.fixture(scope="module")
def drawn():
    return synthetic_ood.draw(2, seed=0)


@pytest.mark.parametrize("kind", synthetic_ood.KINDS)
def test_each_kind_draws_whole_pictures_that_differ(drawn, kind):
    pictures = drawn[kind]
    assert (pictures.shape, pictures.dtype) == ((2, 3, 150, 150), torch.uint8)
    assert not torch.equal(pictures[0], pictures[1])


def test_the_seed_decides(drawn):
    again, other = synthetic_ood.draw(2, seed=0), synthetic_ood.draw(2, seed=1)
    assert list(drawn) == list(synthetic_ood.KINDS)
    assert all(torch.equal(drawn[kind], again[kind]) for kind in drawn)
    assert not any(torch.equal(drawn[kind], other[kind]) for kind in drawn)


def test_more_pictures_begin_with_the_same_ones(drawn):
    assert torch.equal(synthetic_ood.draw(3, seed=0)["faces"][:2], drawn["faces"])


def test_a_flat_picture_is_flat_and_noise_is_not():
    spread = {kind: float(np.std(synthetic_ood.KINDS[kind](np.random.default_rng(3)), axis=(0, 1)).mean()) for kind in ("flat", "noise")}
    assert spread["flat"] < 8 < spread["noise"]
