"""Thresholds that hold on photos from a field, and the limit of the distance that they take.

A model that is wrong in a field may be as sure there as it is indoors. Then no threshold holds in both places, however high it is. But
most photos from a field lie farther from the training images than others do. So the limit is lowered in small steps, until thresholds
hold. Few photos like those of the training lie beyond the new limit. Only these get no answer any more.

The bound on the promise makes no allowance for the limits that were tried. It is exact where the field photos alone decide, that is where
`held` alone has thresholds at each limit. On the field photos it says little: mostly too few of them are answered for any bound.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from models_store.manifest import RANKS, Calibration, Familiarity, Rank, Species
from training.artifact import answer_figures, binomial, thresholds
from training.artifact import calibration as calibrating
from training.artifact.thresholds import HeldOutAnswers

PART_SHARES = tuple(share / 200 for share in range(199, 99, -1))  # the same for parts of photos, 99.5% to 50%
SHARES = tuple(share / 1000 for share in range(990, 945, -5))  # of validation images within the limits that are tried, 99% to 95%


@dataclass(frozen=True)
class FieldAnswers:
    """Answers to photos, and how far these are from the training images: float [N], or None where nobody asks."""

    answers: HeldOutAnswers
    distances: Tensor | None

    def within(self, familiarity: Familiarity | None) -> HeldOutAnswers:
        """The answers, with those photos familiar that lie within a limit."""
        if self.distances is None or familiarity is None:
            return self.answers
        return dataclasses.replace(self.answers, familiar=(self.distances <= familiarity.limit).tolist())


def calibrate(
    temperature: float,
    species: list[Species],
    held: FieldAnswers,
    field: Sequence[FieldAnswers],
    familiarity: Familiarity | None,
    validation: Tensor | None,
) -> Calibration:
    """Choose thresholds on `held` and on the photos of the `field`, and lower the limit of `familiarity` if that makes them hold.

    validation: the distances of the validation images, float [M]. The limit taken is the highest at which each rank has a threshold that
    has one on `held` alone. If there is no such limit, it stays as it is, and the thresholds' reasons say why there are none.
    """

    def at(known: Familiarity | None, fields: Sequence[FieldAnswers]) -> Calibration:
        return calibrating.calibrate(temperature, species, held.within(known), [one.within(known) for one in fields], known)

    usual = at(familiarity, field)
    if not field or familiarity is None or validation is None:
        return usual
    wanted = _ranks(at(familiarity, []))
    if wanted <= _ranks(usual):
        return usual
    for share in SHARES:
        limit = float(validation.double().quantile(share, interpolation="higher"))
        if limit >= familiarity.limit:
            continue
        passed = float((validation <= limit).double().mean())
        lower = Familiarity(
            convolution=familiarity.convolution,
            limit=limit,
            limit_rule=f"so low that thresholds hold on the field photos, too; {passed:.1%} of the validation images lie within",
            validation_share=passed,
        )
        found = at(lower, field)
        if wanted <= _ranks(found):
            return found
    return usual


def for_parts(species: list[Species], chosen: Calibration, parts: Sequence[FieldAnswers], validation: Tensor | None) -> float | None:
    """The limit within which the thresholds of `chosen` hold on parts of photos, too: 0 if there is none; None without a distance.

    It is the highest of those tried, none over the usual one, at which as many answers to parts are right as promised, or none is wrong
    where they are fewer than any bound takes.
    """
    if chosen.familiarity is None or validation is None:
        return None
    tried = [float(validation.double().quantile(share, interpolation="higher")) for share in PART_SHARES]
    usual = chosen.familiarity.limit
    for limit in [usual, *(one for one in tried if one < usual)]:
        within = chosen.familiarity.model_copy(update={"limit": limit})
        found = answer_figures.figures(species, chosen, thresholds.together("parts", [one.within(within) for one in parts]))
        answered, wrong = sum(found.answered.values()), sum(found.wrong.values())
        if not wrong or binomial.lower_bound_reaches(parts[0].answers.promise, answered - wrong, answered):
            return limit
    return 0.0


def with_limit_for_parts(chosen: Calibration, limit: float | None) -> Calibration:
    """The same with that limit, where it has one for photos."""
    if chosen.familiarity is None:
        return chosen
    return chosen.model_copy(update={"familiarity": chosen.familiarity.model_copy(update={"limit_for_parts": limit})})


def _ranks(calibration: Calibration) -> set[Rank]:
    """Those that have a threshold."""
    return {rank for rank in RANKS if calibration.threshold_of(rank) is not None}
