"""Answers for many images."""

import pytest
import torch

from tests import fakes
from training import networks
from training.evaluation import predictions


def some_pixels(n=5, side=150):
    return torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("batch_size", [1, 2, 5, 128])
def test_the_size_of_a_batch_changes_nothing(batch_size):
    torch.manual_seed(0)
    network, pixels = networks.build("tiny", 4).train(), some_pixels()
    found = predictions.logits(network, pixels, batch_size)
    assert not network.training
    assert not found.requires_grad
    assert torch.allclose(found, network(pixels.float() / 255), atol=1e-5)


def test_a_batch_holds_so_many_images_and_no_more():
    seen = []
    predictions.in_batches(lambda batch: seen.append(len(batch)) or batch[:, 0, 0, 0], some_pixels(), 2)
    assert seen == [2, 2, 1]


def test_an_artifact_gives_distances_if_it_measures_them():
    grey = torch.tensor([0, 51, 255], dtype=torch.uint8)[:, None, None, None].expand(3, 3, fakes.SIZE, fakes.SIZE)
    probabilities, distances = predictions.answers(fakes.Measured(), grey, 2)
    assert torch.allclose(probabilities, torch.full((3, 3), 1 / 3))
    assert distances.tolist() == pytest.approx([0, 0.2, 1])
    again, none = predictions.answers(fakes.Halves(), grey, 2)
    assert torch.equal(again, probabilities)
    assert none is None


def test_the_eight_orientations_of_a_square():
    seen = []

    def corner(views):
        seen.append(views)
        return views[:, 0, 0, :1].float()  # what stands in the first place of each

    image = torch.arange(9, dtype=torch.uint8).view(1, 1, 3, 3).expand(1, 3, 3, 3)
    averaged = predictions.over_orientations(corner, image)
    assert len({view.numpy().tobytes() for view in seen}) == 8
    assert averaged.tolist() == [[(0 + 2 + 6 + 8) / 4]]  # each corner comes first twice
