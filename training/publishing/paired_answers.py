"""What two versions answer to the same photos, and whether one of them is better."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from training.artifact import binomial
from training.data.images import Images
from training.publishing.measured_model import MeasuredModel

_FLIPS = 99_999  # drawn, where all of them would be more
_SEED = 0


class Answered(NamedTuple):
    """One version's answers to N photos."""

    right: Tensor  # bool [N]
    brier: Tensor  # float64 [N], squared distance of the probabilities from the truth: 0 is best, 2 worst (Brier, 1950)

    @classmethod
    def of(cls, model: MeasuredModel, images: Images) -> Self:
        """The images may be of species that the model does not know: it gives these no probability."""
        if not images.files:
            return cls(torch.empty(0, dtype=torch.bool), torch.empty(0, dtype=torch.float64))
        shown = [images.species[label] for label in images.labels.tolist()]
        probabilities = model.probabilities(images.pixels).double()
        truth = torch.tensor([[name == species for name in model.species] for species in shown])
        own = (probabilities * truth).sum(1)
        return cls(truth[range(len(shown)), probabilities.argmax(1)], probabilities.square().sum(1) - 2 * own + 1)


@dataclass(frozen=True)
class PairedAnswers:
    """Answers of the version before and of the new one, to the same photos."""

    before: Answered
    now: Answered

    @classmethod
    def of(cls, before: MeasuredModel, now: MeasuredModel, images: Images) -> Self:
        """Ask both."""
        return cls(Answered.of(before, images), Answered.of(now, images))

    @classmethod
    def together(cls, parts: Sequence[Self]) -> Self:
        """Of all photos of the parts."""
        before, now = ([part.before for part in parts], [part.now for part in parts])
        return cls(*(Answered(*(torch.cat(values) for values in zip(*those, strict=True))) for those in (before, now)))

    @property
    def n(self) -> int:
        """Photos."""
        return len(self.now.right)

    @property
    def difference(self) -> float:
        """Share of the photos that the new one answers rightly, less that of the version before."""
        return float((self.now.right.double() - self.before.right.double()).mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval of the difference."""
        now, before = self.now.right, self.before.right
        return binomial.difference(int((now & ~before).sum()), int((before & ~now).sum()), self.n)

    @property
    def chance(self) -> float:
        """How often the Brier score of one that is no better is lower by as much: at most 5% is taken for proof.

        A randomisation test, one-sided (Fisher; Pitman, 1937): if neither is better, each photo's difference may as well have the other
        sign. All signs are tried for 16 photos and fewer. It takes photos for independent.
        """
        gained = (self.before.brier - self.now.brier).numpy()
        test = stats.permutation_test(
            (gained,), np.mean, permutation_type="samples", alternative="greater", n_resamples=_FLIPS, batch=10_000, rng=_SEED
        )
        return float(test.pvalue)

    def better(self) -> bool:
        """Whether the new one is shown to be better: right no less often, and its probabilities better by more than chance."""
        return self.difference >= 0 and self.chance <= 1 - binomial.CERTAINTY

    def text_of_gain(self, name: str) -> str:
        """Both counts, and both Brier scores with the chance of such a gain."""
        now, before = float(self.now.brier.mean()), float(self.before.brier.mean())
        return f"{self._counts(name)}; Brier score {now:.2f}, {before:.2f} before (by chance: {binomial.percent(self.chance)})"

    def text(self, name: str) -> str:
        """Both counts, and the difference in points with its interval."""
        low, high = self.interval
        return f"{self._counts(name)} (95%: {100 * low:+.1f} to {100 * high:+.1f})"

    def _counts(self, name: str) -> str:
        right, before = int(self.now.right.sum()), int(self.before.right.sum())
        return f"{name}: {right} of {self.n} right, {before} before: {100 * self.difference:+.1f} points"
