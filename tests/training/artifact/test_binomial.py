import pytest
from scipy import stats

from training.artifact import binomial


@pytest.mark.parametrize("share", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("n", [1, 5, 58, 59, 60, 298, 299, 500, 5000])
def test_the_bound_is_clopper_and_pearsons(n, share):
    for wrong in (0, 1, 2, 5, n // 100, n // 20, n):
        right = n - min(wrong, n)
        bound = stats.binomtest(right, n, alternative="greater").proportion_ci(0.95, method="exact").low
        assert binomial.lower_bound_reaches(share, right, n) == (bound >= share)


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (77, 80), (430, 434), (1, 1)])
def test_bounds_and_intervals_against_scipy(right, n):
    found = stats.binomtest(right, n)
    assert binomial.interval(right, n) == pytest.approx(tuple(found.proportion_ci(0.95, method="exact")), abs=1e-8)
    bound = stats.binomtest(right, n, alternative="greater").proportion_ci(0.95, method="exact").low
    assert binomial.lower_bound(right, n) == pytest.approx(bound, abs=1e-8)


@pytest.mark.parametrize(("share", "least"), [(0.99, 299), (0.95, 59), (0.5, 5)])
def test_the_least_answers_without_a_mistake(share, least):
    assert binomial.least_answers(share) == least
    assert binomial.lower_bound_reaches(share, least, least)
    assert not binomial.lower_bound_reaches(share, least - 1, least - 1)


@pytest.mark.parametrize(("right", "n", "share"), [(4, 26, 0.115), (26, 26, 0.9), (0, 3, 0.2), (1, 3, 1.0), (1, 3, 0.0), (700, 816, 0.137)])
def test_the_chance_of_as_many_or_more(right, n, share):
    assert binomial.chance_of_at_least(right, n, share) == pytest.approx(stats.binom.sf(right - 1, n, share), abs=1e-12)


@pytest.mark.parametrize(("first", "second", "chance"), [(0, 0, 1.0), (1, 5, 0.21875), (3, 3, 1.0), (0, 6, 0.03125), (6, 0, 0.03125)])
def test_how_often_chance_does_as_much(first, second, chance):
    # Of 6 tosses 5 or more fall alike on one side in (6 + 1)/64 of cases, so on either in twice as many.
    assert binomial.by_chance(first, second) == pytest.approx(chance)


def test_the_interval_of_an_accuracy_is_that_of_its_count():
    assert binomial.of_accuracy(5 / 6, 6) == binomial.interval(5, 6)


def test_a_small_chance_is_not_called_none():
    assert [binomial.percent(chance) for chance in (1.0, 0.034, 0.0004)] == ["100%", "3%", "under 1%"]


def test_the_interval_of_a_difference_is_that_of_the_sign_test():
    low, high = binomial.difference(7, 0, 7)
    assert (low, high) == (pytest.approx(2 * 0.025 ** (1 / 7) - 1), pytest.approx(1))  # Clopper-Pearson of 7 of 7, by hand
    assert binomial.difference(3, 1, 40) == pytest.approx(tuple((2 * end - 1) * 4 / 40 for end in binomial.interval(3, 4)))
    assert binomial.difference(0, 0, 9) == (0, 0)
    for ours, theirs in ((5, 0), (6, 0), (12, 3), (9, 3), (30, 14), (3, 9)):
        low, high = binomial.difference(ours, theirs, 100)
        assert (low > 0 or high < 0) == (binomial.by_chance(ours, theirs) < 0.05)
        assert low <= (ours - theirs) / 100 <= high
