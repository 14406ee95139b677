"""Active learning: which photos a reviewer is asked about. Those of a day whose labels would teach most, no two of which look alike.

A photo that is worth more takes the place of the one worth least that nobody has decided about. Several replicas may each add one at the
same time; what is too many is then removed, one replica after the other.
"""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from corrections.database import ASKING
from corrections.errors import QuotaExceeded
from corrections.records import NewCorrection, StoredCorrection
from corrections.store import CorrectionStore
from corrections.tables import CorrectionRow, PhotoRow

NEAR_BITS = 10  # of 64, in which the looks of two photos of one scene differ at most
_COMPARED = 2_000  # photos asked about before, the latest ones


def is_worth_asking(corrections: CorrectionStore, worth: float, a_day: int, now: datetime | None = None) -> bool:
    """Whether a photo would be among today's `a_day`, before it is looked at more closely. Raises StorageUnavailable."""
    with corrections.database.reading() as session:
        today = session.execute(select(CorrectionRow.worth, CorrectionRow.version).where(*_of_today(now))).all()
    return len(today) < a_day or any(version == 1 and least is not None and least < worth for least, version in today)


def ask(
    corrections: CorrectionStore, new: NewCorrection, worth: float, look: int, a_day: int, now: datetime | None = None
) -> StoredCorrection | None:
    """Keep a photo for a reviewer, if it is among the `a_day` of today that are worth most and like none that was asked about.

    `worth`: 0 to 1, how much its label would teach; `look`: 64 bits, as `models_store.learnt.fingerprints` gives them. None where it is
    not kept, also where the quota is used up. Raises StorageUnavailable.
    """
    if not is_worth_asking(corrections, worth, a_day, now):
        return None
    with corrections.database.reading() as session:
        looks = session.scalars(
            select(PhotoRow.look)
            .join(CorrectionRow)
            .where(CorrectionRow.source == "asked", PhotoRow.look.is_not(None))
            .order_by(CorrectionRow.created.desc())
            .limit(_COMPARED)
        ).all()
    if any((int(other, 16) ^ look).bit_count() <= NEAR_BITS for other in looks if other is not None):
        return None
    try:
        kept = corrections.add(replace(new, species=None, source="asked", worth=worth, look=f"{look:016x}"), now)
    except QuotaExceeded:
        return None
    return None if kept.id in _remove_least(corrections, a_day, now) else kept


def _remove_least(corrections: CorrectionStore, a_day: int, now: datetime | None) -> list[str]:
    """Remove those of today that are too many, of which nobody has decided, and give their names."""
    with corrections.database.writing() as session:
        corrections.database.lock(session, ASKING)
        n = len(session.scalars(select(CorrectionRow.id).where(*_of_today(now))).all())
        least = _undecided(session, now, n - a_day) if n > a_day else []
        for correction in least:
            session.delete(session.get_one(CorrectionRow, correction))
    corrections.remove_waste()
    return least


def _undecided(session: Session, now: datetime | None, n: int) -> list[str]:
    """The `n` of today that are worth least."""
    ordered = select(CorrectionRow.id).where(*_of_today(now), CorrectionRow.version == 1).order_by(CorrectionRow.worth, CorrectionRow.id)
    return list(session.scalars(ordered.limit(n)))


def _of_today(now: datetime | None) -> tuple[ColumnElement[bool], ...]:
    midnight = datetime.combine((now or datetime.now(UTC)).date(), time(), UTC)
    until = midnight + timedelta(days=1)  # where the clock was ahead once, there are days to come
    return CorrectionRow.source == "asked", CorrectionRow.created >= midnight, CorrectionRow.created < until
