"""How long a run still takes, in words."""

import statistics
from collections.abc import Sequence

_MINUTE_S, _HOUR_S = 60, 3600


def in_words(seconds: Sequence[float], epochs: int, at_most: bool) -> str:
    """What remains of a run whose last epochs took `seconds`, with so many `epochs` to go; `at_most` where it may stop before."""
    if not epochs:
        return ""
    remaining_s = statistics.median(seconds) * epochs
    if remaining_s < _MINUTE_S:
        return "under a minute left"
    span = f"{remaining_s / _MINUTE_S:.0f} min" if remaining_s < 2 * _HOUR_S else f"{remaining_s / _HOUR_S:.1f} h"
    return f"{'at most ' if at_most else ''}about {span} left"
