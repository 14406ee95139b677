"""What a count of right answers says about the share that is right: exact binomial bounds."""

import math

CERTAINTY = 0.95  # one-sided
_LEAST_TOLD = 0.01


def lower_bound_reaches(share: float, right: int, n: int, certainty: float = CERTAINTY) -> bool:
    """Whether the one-sided Clopper-Pearson lower bound on the share of right answers, `right` of `n`, is `share` or more.

    It is where so many right answers had a chance of at most `1 - certainty` if only `share` of all answers were right.
    Clopper & Pearson (1934), *The use of confidence or fiducial limits illustrated in the case of the binomial*.
    """
    if right < share * n:
        return False  # the bound lies under the share that was found
    return chance_of_at_least(right, n, share) <= 1 - certainty + 1e-12


def lower_bound(right: int, n: int, certainty: float = CERTAINTY) -> float:
    """The one-sided Clopper-Pearson lower bound on the share of right answers, to 1e-9."""
    low, high = 0.0, right / n if n else 0.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if chance_of_at_least(right, n, middle) <= 1 - certainty else (low, middle)
    return low


def interval(right: int, n: int, certainty: float = CERTAINTY) -> tuple[float, float]:
    """The two-sided Clopper-Pearson interval of the share of right answers."""
    one_sided = (1 + certainty) / 2
    return lower_bound(right, n, one_sided), 1 - lower_bound(n - right, n, one_sided)


def of_accuracy(accuracy: float, n: int) -> tuple[float, float]:
    """The interval of an accuracy that was measured on `n` images."""
    return interval(round(accuracy * n), n)


def difference(only_first: int, only_second: int, n: int, certainty: float = CERTAINTY) -> tuple[float, float]:
    """The two-sided interval of how much larger the share of right answers of the first is than that of the second, to the same `n` photos.

    Given how many photos one alone answers rightly, the first is that one as often as a coin with an exact Clopper-Pearson interval
    falls (McNemar's test, turned into an interval). It leaves out 0 exactly where that test, two-sided, does.
    """
    differing = only_first + only_second
    if not differing:
        return 0.0, 0.0
    low, high = interval(only_first, differing, certainty)
    return (2 * low - 1) * differing / n, (2 * high - 1) * differing / n


def by_chance(only_first: int, only_second: int) -> float:
    """The chance of a difference at least as large between two that are equally good, of images that one alone answers rightly.

    The exact sign test, two-sided (McNemar's test in its exact form).
    """
    differing = only_first + only_second
    return min(1.0, 2 * chance_of_at_least(max(only_first, only_second), differing, 0.5)) if differing else 1.0


def percent(chance: float) -> str:
    """A small chance in words that never say "0%"."""
    return f"{chance:.0%}" if chance >= _LEAST_TOLD else "under 1%"


def least_answers(share: float, certainty: float = CERTAINTY) -> int:
    """How many answers without a mistake it takes until the lower bound reaches `share`: 59 for 0.95, 299 for 0.99."""
    return math.ceil(math.log(1 - certainty) / math.log(share) - 1e-9)


def chance_of_at_least(right: int, n: int, share: float) -> float:
    """The chance of `right` or more right answers of `n`, where each is right with the chance `share`, between 0 and 1."""
    if not 0 < share < 1:
        return float(share == 1 or right == 0)
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(share) + (n - k) * math.log1p(-share)
        for k in range(right, n + 1)
    ]
    return min(1.0, math.fsum(map(math.exp, logs)))
