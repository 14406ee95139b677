"""When the second model answers in place of the first one, which model may, and of what its answer can be relied upon."""

from models_store import rollup
from models_store.manifest import Familiarity
from service.inference.registry import Model

# From this share of the limit of familiar images on another model is asked, where nothing can be relied upon. 90% of the validation
# images of seedlings/3 lie below 0.84. docs/accuracy.md, "Both models together", has what other shares give.
_NEAR_LIMIT = 0.85


def is_asked(ood_ratio: float | None, said: rollup.Statement | None) -> bool:
    """Whether another model may know better: nothing can be relied upon, and the image is unfamiliar or nearly so.

    `said` is what can be relied upon of the first model's answer; `ood_ratio` is its distance as a share of the limit of familiar images,
    None if it cannot tell.
    """
    return said is None and ood_ratio is not None and ood_ratio > _NEAR_LIMIT


def limit_for_parts(familiarity: Familiarity | None, *, second: bool) -> float | None:
    """How far a part of a photo, other than its central square, may lie from what a model knows, to be answered; None: as the square may.

    0, so nowhere, for a `second` model where nobody has looked: it is asked about what is unlike most photos of its validation. Of the
    squares around boxes on 153 photos from fields seedlings-field/2 was wrong on 7 that it answered.
    """
    limit = None if familiarity is None else familiarity.limit_for_parts
    return 0.0 if second and limit is None else limit


def may_answer(second: Model, first: Model) -> bool:
    """Whether `second` takes the same pixels as `first`, and knows the same species in the same order."""
    names, others = ([species.name for species in model.manifest.species] for model in (first, second))
    return second.size == first.size and names == others
