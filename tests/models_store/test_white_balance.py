"""Tinted photos are brought to red and blue as usual."""

import numpy as np
import pytest

from models_store import white_balance


def photo(red: float, green: float, blue: float) -> np.ndarray:
    """Noise around a colour."""
    noise = np.random.default_rng(0).uniform(0.6, 1.4, (1, 40, 50))
    return (np.array([red, green, blue])[:, None, None] * noise).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("colour", [(120, 100, 80), (60, 90, 45), (0, 0, 0), (0, 80, 90), (90, 80, 0), (30, 120, 50)])
def test_usual_photos_and_those_without_red_or_blue_and_green_ones_stay(colour):
    given = photo(*colour)
    assert white_balance.balanced(given) is given


@pytest.mark.parametrize(("colour", "ratio"), [((80, 90, 120), 1.2), ((150, 80, 50), 2.0), ((100, 100, 100), 1.2)])
def test_red_over_blue_comes_to_the_bound_and_green_stays(colour, ratio):
    given = photo(*colour)
    changed = white_balance.balanced(given)
    red, _, blue = changed.reshape(3, -1).mean(1)
    assert red / blue == pytest.approx(ratio, rel=0.01)
    assert (changed[1] == given[1]).all()
    before = given.reshape(3, -1).mean(1)
    assert red * blue == pytest.approx(before[0] * before[2], rel=0.02)
    assert (white_balance.balanced(given[:, :, ::-1]) == changed[:, :, ::-1]).all()


def test_a_part_of_a_photo_is_changed_as_the_whole():
    given = photo(80, 90, 120)
    part = given[:, 10:30, 5:25]
    changed = white_balance.applied(part, white_balance.factor(given))
    assert (changed == white_balance.balanced(given)[:, 10:30, 5:25]).all()
    assert white_balance.applied(part, 1) is part


def test_two_tints_of_a_photo_become_nearly_alike():
    given = photo(120, 100, 80).astype(float)
    cold, colder = (np.rint(given * np.array([1 / times, 1, times])[:, None, None]).clip(0, 255).astype(np.uint8) for times in (1.3, 1.5))
    apart = np.abs(white_balance.balanced(cold).astype(int) - white_balance.balanced(colder)).mean()
    assert apart < 1.5 < np.abs(cold.astype(int) - colder).mean() / 4
