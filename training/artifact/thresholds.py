"""From which probability on an answer can be relied upon, for each rank, chosen on photos that were not trained on.

A threshold keeps a promise, such as 0.99: with 95% certainty at least this share of the answers at or over it is right, by the
exact binomial bound. If each of many thresholds were tested by itself, the lowest that passes could pass by chance. So they are
tested in a fixed sequence, from the surest answers downwards, until one fails: Angelopoulos, Bates, Candès, Jordan, Lei (2021),
*Learn then Test: Calibrating Predictive Algorithms to Achieve Risk Control*. Then the threshold breaks the promise with a chance of
5% at most, as long as surer answers are not wrong more often. One wrong label among the surest answers would end the sequence. So
there are several sequences, which share the 5% (Bonferroni). They start where a half, a quarter, an eighth of the photos are
answered, and so on.

On several sets of photos a threshold has to keep the promise of each. Photos from a field are few. If fewer of them are answered
than any bound takes, none of these answers may be wrong. That shows little: the card has the bound that they reach, if any.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from models_store import rollup
from models_store.manifest import RANKS, Rank, RankThreshold, Species
from training.artifact import binomial

_PROMISES = (0.98, 0.95, 0.9)  # that are suggested; with less an answer is not one to rely upon


@dataclass(frozen=True)
class HeldOutAnswers:
    """A model's answers to N photos that it was not trained on, and what is on them."""

    name: str  # in words, such as "validation answers"
    probabilities: list[list[float]]  # [N][species]
    truth: list[Species]  # [N]; a name that the model does not know is right at no rank but those it shares
    familiar: list[bool]  # [N]
    promise: float  # share of answers to such photos to be right
    few: bool = False  # where fewer are answered than any bound takes, it is enough that none is wrong


def held_out(name: str, probabilities: Tensor, truth: list[Species], familiar: Tensor | None, promise: float) -> HeldOutAnswers:
    """From tensors: probabilities float [N,species], familiar bool [N], or None where the model cannot tell."""
    return HeldOutAnswers(name, probabilities.tolist(), truth, [True] * len(truth) if familiar is None else familiar.tolist(), promise)


def together(name: str, sets: Sequence[HeldOutAnswers]) -> HeldOutAnswers:
    """Photos of several places as one set, which may be too few for a bound."""
    return HeldOutAnswers(
        name,
        [row for one in sets for row in one.probabilities],
        [truth for one in sets for truth in one.truth],
        [familiar for one in sets for familiar in one.familiar],
        sets[0].promise,
        few=True,
    )


def rule(sets: Sequence[HeldOutAnswers]) -> str:
    """How thresholds are chosen on the first set, and on the others, which may be few."""
    first, *others = sets
    text = (
        f"the lowest down to which at least {first.promise:.4g} of the answers are right, with {binomial.CERTAINTY:.0%} certainty by the"
        f" exact binomial (Clopper-Pearson) bound on the {first.name}, tested in a fixed sequence from the surest answers downwards"
    )
    for one in others:
        text += (
            f", and at least {one.promise:.4g} of those on the {one.name}; of fewer than {binomial.least_answers(one.promise)} answers"
            " there, for which there is no bound, none is wrong"
        )
    return text


@dataclass
class _Judged:
    """What would be said at one rank of the photos of one set, surest first."""

    photos: int  # in the whole set
    promise: float
    few: bool
    falling: list[float] = field(default_factory=list)  # minus the probabilities of what would be said
    right: list[int] = field(default_factory=list)  # of the n surest, from n = 0
    alone_right: list[int] = field(default_factory=list)  # of these, those that are answered at no narrower rank
    alone: list[int] = field(default_factory=list)  # how many these are

    def over(self, threshold: float) -> tuple[int, int]:
        """How many are at or over a threshold, and how many of these are right."""
        n = bisect.bisect_right(self.falling, -threshold)
        return n, self.right[n]

    def keeps(self, threshold: float, certainty: float) -> bool:
        """Whether the promise is kept at this threshold, by the bound."""
        n, right = self.over(threshold)
        if self.few and n < binomial.least_answers(self.promise, certainty):
            return right == n
        return binomial.lower_bound_reaches(self.promise, right, n, certainty)

    def start(self, halvings: int, certainty: float) -> int:
        """From how many answers on a sequence tests."""
        return 0 if self.few else max(binomial.least_answers(self.promise, certainty), self.photos >> halvings)

    def rest_is_as_good(self, threshold: float) -> bool:
        """Whether those that only this rank answers are right as often as promised, by their share: for a bound they are few."""
        n = bisect.bisect_right(self.falling, -threshold)
        return self.alone_right[n] >= self.promise * self.alone[n]


def choose(species: list[Species], sets: Sequence[HeldOutAnswers]) -> dict[Rank, RankThreshold]:
    """The threshold of each rank, which keeps the promise of each set by itself, or the reason why there is none.

    Besides, of the photos that a rank answers and no narrower one does, as many are right in each set as promised.
    """
    chosen: dict[Rank, RankThreshold] = {}
    narrower = [[False] * len(one.truth) for one in sets]
    for rank in RANKS:
        judged = [_judge(species, rank, one, answered) for one, answered in zip(sets, narrower, strict=True)]
        if not any(one.falling for one in judged):
            why = f"no {rank} is known of the species: name it in species.toml" if rank != "species" else "every photo is unfamiliar"
            chosen[rank] = RankThreshold(threshold=None, threshold_reason=why)
            continue
        threshold = _lowest(judged)
        chosen[rank] = RankThreshold(threshold=threshold, threshold_reason=_reason(sets, judged) if threshold is None else None)
        if threshold is not None:
            for one, answered in zip(sets, narrower, strict=True):
                for i, (row, familiar) in enumerate(zip(one.probabilities, one.familiar, strict=True)):
                    said = rollup.statement(species, rank, row)
                    answered[i] |= familiar and said is not None and said.probability >= threshold
    return chosen


def _judge(species: list[Species], rank: Rank, one: HeldOutAnswers, answered: list[bool]) -> _Judged:
    found = []
    for row, truth, familiar, narrower in zip(one.probabilities, one.truth, one.familiar, answered, strict=True):
        said = rollup.statement(species, rank, row) if familiar else None
        if said is not None:
            found.append((-said.probability, said.name == rollup.name_at(truth, rank), not narrower))
    judged = _Judged(len(one.truth), one.promise, one.few, right=[0], alone_right=[0], alone=[0])
    for falling, right, alone in sorted(found):
        judged.falling.append(falling)
        judged.right.append(judged.right[-1] + right)
        judged.alone_right.append(judged.alone_right[-1] + (right and alone))
        judged.alone.append(judged.alone[-1] + alone)
    return judged


def _lowest(sets: Sequence[_Judged]) -> float | None:
    """The lowest threshold that a sequence of tests reaches, over all sets together; None where none passes."""
    candidates = [-falling for falling in sorted({falling for one in sets for falling in one.falling})]
    starts = _starts(sets)
    certainty = 1 - (1 - binomial.CERTAINTY) / len(starts)
    reached = [_reached(sets, candidates, halvings, certainty) for halvings in starts]
    index = max((one for one in reached if one is not None), default=None)
    if index is None:
        return None
    following = candidates[index + 1] if index + 1 < len(candidates) else 0.0
    # A little under the last answer that counts, since a batch of another size rounds otherwise.
    return math.nextafter(candidates[index], 0) - min(1e-6, (candidates[index] - following) / 2)


def _reached(sets: Sequence[_Judged], candidates: list[float], halvings: int, certainty: float) -> int | None:
    """The index of the lowest candidate that one sequence passes."""
    lowest = None
    for index, candidate in enumerate(candidates):
        if any(one.over(candidate)[0] < one.start(halvings, certainty) for one in sets):
            continue
        if not all(one.keeps(candidate, certainty) for one in sets):
            break
        if all(one.rest_is_as_good(candidate) for one in sets):
            lowest = index
    return lowest


def _starts(sets: Sequence[_Judged]) -> list[int]:
    """How often the number of photos is halved to give the start of each sequence; the last starts with the least that a bound takes."""
    halvings = [1]
    while any(one.photos >> halvings[-1] > binomial.least_answers(one.promise) for one in sets if not one.few):
        halvings.append(halvings[-1] + 1)
    return halvings


def _ways_to_more(one: HeldOutAnswers) -> str:
    """What to do where a set is too small for its promise: a smaller one is named only if so many photos can show it."""
    ways = "Add images, or let those of the training count, too: fit with --folds 5"
    shown = (promise for promise in _PROMISES if promise < one.promise and binomial.least_answers(promise) <= len(one.truth))
    smaller = next(shown, None)
    return ways if smaller is None else f"{ways}. Or promise less: --promise {smaller}"


def _reason(sets: Sequence[HeldOutAnswers], judged: Sequence[_Judged]) -> str:
    certainty = f"at {binomial.CERTAINTY:.0%} certainty"
    for one in sets:
        least = binomial.least_answers(one.promise)
        if len(one.truth) < least and not one.few:
            return (
                f"{len(one.truth)} {one.name} are too few: a promise of {one.promise:.4g} takes at least {least} answers without a mistake,"
                f" {certainty}. {_ways_to_more(one)}"
            )
    first, *others = sets
    if others and _lowest(judged[:1]) is not None:
        broken = " and ".join(f"the {len(one.truth)} {one.name}" for one in others)
        return (
            f"the {first.name} alone have one, but on {broken} too many of the surest answers are wrong for a promise of"
            f" {others[0].promise:.4g}. Train on such photos, promise less of them, such as --field-promise 0.95, or leave them out"
        )
    smaller = next((promise for promise in _PROMISES if promise < first.promise), None)
    return (
        f"over no threshold are enough of the {len(first.truth)} {first.name} right for a promise of {first.promise:.4g}, {certainty}."
        + (
            " Add images, or train further"
            if smaller is None
            else f" Add images, train further, or promise less, such as --promise {smaller}"
        )
    )
