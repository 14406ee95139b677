"""Images as tensors, and what of them is plant."""

import torch

from training.data.tensors import background_in_both, cut_out, plants, to_float

GREEN, BROWN = torch.tensor([0.2, 0.6, 0.15]), torch.tensor([0.4, 0.3, 0.25])
SIDE = 60


def on_brown(mask):
    """Green where `mask`, [SIDE,SIDE], else brown: float [1,3,SIDE,SIDE]."""
    return torch.where(mask, GREEN[:, None, None], BROWN[:, None, None])[None]


def test_bytes_become_shares():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    assert torch.allclose(to_float(pixels).flatten(), torch.tensor([0, 0.2, 1]))
    assert pixels.flatten().tolist() == [0, 51, 255]  # not changed in place


def test_plants_are_what_is_green():
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    mask[20:40, 15:45] = True
    share = plants(on_brown(mask))[0, 0]
    assert (share[22:38, 17:43] > 0.95).all()
    share[18:42, 13:47] = 0
    assert (share < 0.05).all()


def test_grey_of_any_brightness_is_no_plant():
    grey = torch.linspace(0, 1, 9)[:, None, None, None].expand(9, 3, 10, 10)
    assert (plants(grey) < 0.05).all()


def test_the_cut_out_is_the_disc_in_spite_of_noise():
    places = torch.arange(SIDE) - (SIDE - 1) / 2
    mask = places[:, None] ** 2 + places**2 <= 12**2
    noisy = (on_brown(mask) + 0.02 * torch.randn(8, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    cut = cut_out(noisy)[:, 0] > 0.5
    assert float((cut & mask).sum() / (cut | mask).sum()) > 0.85


def test_the_cut_out_keeps_a_leaf_of_two_pixels():
    mask = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    mask[20:22, 5:55] = True
    cut = cut_out(on_brown(mask))[0, 0] > 0.5
    assert cut[20:22, 8:52].all()
    assert not cut[:17].any()
    assert not cut[25:].any()


def test_background_in_both_leaves_out_both_plants_and_a_rim_of_the_other():
    plant, other = torch.zeros(2, 1, 1, 9, 9)
    plant[..., 0, :] = 1
    other[..., 8, :] = 1
    expected = torch.ones(9)
    expected[[0, 6, 7, 8]] = 0
    assert torch.equal(background_in_both(plant, other)[0, 0], expected[:, None].expand(9, 9))
