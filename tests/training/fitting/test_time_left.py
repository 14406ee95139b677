import pytest

from training.fitting import time_left


@pytest.mark.parametrize(
    ("seconds", "epochs", "at_most", "said"),
    [
        ([10.0, 12.0, 300.0], 30, False, "about 6 min left"),  # the epoch in which the machine was busy counts once
        ([10.0], 30, True, "at most about 5 min left"),
        ([10.0], 5, True, "under a minute left"),
        ([600.0], 24, False, "about 4.0 h left"),
        ([10.0], 0, True, ""),
    ],
)
def test_what_is_left(seconds, epochs, at_most, said):
    assert time_left.in_words(seconds, epochs, at_most) == said
