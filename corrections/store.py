"""Corrections: kept, read, decided about, removed. A row comes after its file, and goes before it.

A photo's row comes first, without a correction. Then its file and its correction follow, while the photo's row is locked.
Whoever removes the last correction of a photo leaves the photo's row behind; `sweep` locks it, and removes file and row
where no correction has come meanwhile. So a process that is killed at any point leaves waste at most, which the next sweep removes.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, func, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from corrections.database import COUNTING, Database
from corrections.errors import CorrectionNotFound, InvalidText, QuotaExceeded, StorageUnavailable, VersionConflict
from corrections.photos import PhotoFiles
from corrections.records import Box, Decision, NewCorrection, State, StoredCorrection, StoredPrediction
from corrections.tables import CorrectionRow, PhotoRow, ReviewRow

_AT_ONCE = 200  # rows of one transaction of a sweep
_TRIES = 5
_REPEATED_WITHIN = timedelta(hours=1)  # whoever got no answer sends a correction again, and it is kept once
_STATES: dict[Decision, State] = {"accept": "accepted", "reject": "rejected", "undo": "waiting"}


@dataclass(frozen=True)
class Quota:
    """How much is kept at most, and for how long."""

    max_rows: int
    max_bytes: int  # of photo files
    keep_days: int | None = None  # None: until somebody removes it


class CorrectionStore:
    """All corrections of one database and one place for photos. Calls block: an event loop hands them to threads."""

    def __init__(self, database: Database, photos: PhotoFiles, quota: Quota) -> None:
        self.database, self._photos, self._quota = database, photos, quota

    def open(self) -> None:
        """Bring the tables up to date. Raises StorageUnavailable."""
        self.database.migrate()

    def check(self) -> None:
        """See whether the database answers. Raises StorageUnavailable."""
        with self.database.reading() as session:
            session.execute(select(PhotoRow.sha256).limit(1))

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()

    def add(self, new: NewCorrection, now: datetime | None = None) -> StoredCorrection:
        """Keep a photo and what is said of it; where that was kept within the last hour, give what is kept.

        So a caller who got no answer may send it again. Raises QuotaExceeded or StorageUnavailable.
        """
        now = now or datetime.now(UTC)
        photo = PhotoRow(
            sha256=new.photo.sha256,
            suffix=new.photo.suffix,
            n_bytes=len(new.photo.content),
            taken=new.photo.taken or now.date(),
            look=new.look,
        )
        with self.database.reading() as session:
            if repeated := _repeated(session, new, now):  # which needs no room
                return repeated
        for _ in range(_TRIES):
            self._announce(photo)
            if kept := self._add(new, photo, now):
                return kept
        raise StorageUnavailable("the same photo was removed again and again while it was being kept; send it again")

    def _announce(self, photo: PhotoRow) -> None:
        """Put the photo's row there, if it is not, and if there is room."""
        values = {"sha256": photo.sha256, "suffix": photo.suffix, "n_bytes": photo.n_bytes, "taken": photo.taken, "look": photo.look}
        with self.database.writing() as session:
            self._check_room(session, photo)
            dialect = session.connection().dialect.name
            made = postgresql.insert(PhotoRow) if dialect == "postgresql" else sqlite.insert(PhotoRow)
            session.execute(made.values(**values).on_conflict_do_nothing())

    def _add(self, new: NewCorrection, photo: PhotoRow, now: datetime) -> StoredCorrection | None:
        """None where a sweep took the photo's row for waste."""
        with self.database.writing() as session:
            row = session.scalar(select(PhotoRow).where(PhotoRow.sha256 == photo.sha256).with_for_update())
            if row is None:
                return None
            if repeated := _repeated(session, new, now):  # the same came twice at the same time: the photo's lock has put them in order
                return repeated
            self._photos.write(photo.sha256 + row.suffix, new.photo.content)
            self.database.lock(session, COUNTING)
            self._check_room(session, photo)
            made = CorrectionRow(
                id=uuid.uuid4().hex,
                sha256=photo.sha256,
                version=1,
                state="waiting",
                source=new.source,
                species=new.species,
                handed_in=new.species,
                box=_box_text(new.box),
                note=new.note,
                plant=new.plant,
                model=new.said.model,
                predicted=new.said.species,
                probability=new.said.probability,
                confident=new.said.confident,
                ood_score=new.said.ood_score,
                familiar=new.said.familiar,
                created=now,
                reviewer="",
                reviewed=None,
                worth=new.worth,
            )
            session.add(made)
            session.flush()
            return _kept(made, row)

    def _check_room(self, session: Session, photo: PhotoRow) -> None:
        """Raises QuotaExceeded where neither this photo nor one row more has room."""
        rows = session.scalar(select(func.count()).select_from(CorrectionRow)) or 0
        others = select(func.coalesce(func.sum(PhotoRow.n_bytes), 0)).where(PhotoRow.sha256 != photo.sha256)
        n_bytes = int(session.scalar(others) or 0) + photo.n_bytes
        if rows >= self._quota.max_rows:
            raise QuotaExceeded(f"{rows} corrections are kept, as many as may be; review and export them, then remove some")
        if n_bytes > self._quota.max_bytes:
            raise QuotaExceeded(f"photos of {self._quota.max_bytes} bytes are kept at most, and this one would be over it; remove some")

    def get(self, correction: str) -> StoredCorrection:
        """One correction. Raises CorrectionNotFound or StorageUnavailable."""
        with self.database.reading() as session:
            return _one(session, correction)

    def photo(self, correction: str) -> tuple[bytes, str]:
        """Its photo's bytes, and the suffix of the file. Raises CorrectionNotFound or StorageUnavailable."""
        kept = self.get(correction)
        return self._photos.read(kept.sha256 + kept.suffix), kept.suffix

    def remove(self, correction: str) -> None:
        """Remove a correction, and its photo unless another correction is of the same one.

        Raises CorrectionNotFound or StorageUnavailable.
        """
        with self.database.writing() as session:
            row = session.get(CorrectionRow, correction)
            if row is None:
                raise _unknown(correction)
            sha256 = row.sha256
            session.execute(delete(ReviewRow).where(ReviewRow.correction == correction))
            session.delete(row)
        try:
            self._remove_waste(sha256)
        except StorageUnavailable as error:
            raise StorageUnavailable("the correction is removed, and its photo will be, by itself, once that works", str(error)) from error

    def sweep(self, now: datetime | None = None) -> int:
        """Remove what is older than it may be, waste, and what killed writers left. Returns how many photos went.

        Raises StorageUnavailable.
        """
        self._photos.remove_abandoned()
        if self._quota.keep_days is not None:
            oldest = (now or datetime.now(UTC)) - timedelta(days=self._quota.keep_days)
            while self._remove_older(oldest):
                pass
        return self.remove_waste()

    def remove_waste(self) -> int:
        """Remove photos without corrections. Returns how many. Raises StorageUnavailable."""
        with self.database.reading() as session:
            used = select(CorrectionRow.sha256).where(CorrectionRow.sha256 == PhotoRow.sha256).exists()
            waste = session.scalars(select(PhotoRow.sha256).where(~used)).all()
        return sum(self._remove_waste(sha256) for sha256 in waste)

    def _remove_older(self, oldest: datetime) -> bool:
        with self.database.writing() as session:
            old = session.scalars(select(CorrectionRow.id).where(CorrectionRow.created < oldest).limit(_AT_ONCE)).all()
            session.execute(delete(ReviewRow).where(ReviewRow.correction.in_(old)))
            session.execute(delete(CorrectionRow).where(CorrectionRow.id.in_(old)))
        return len(old) == _AT_ONCE

    def _remove_waste(self, sha256: str) -> bool:
        """Remove a photo's file and row, unless a correction of it is there."""
        with self.database.writing() as session:
            row = session.scalar(select(PhotoRow).where(PhotoRow.sha256 == sha256).with_for_update())
            if row is None or session.scalar(select(CorrectionRow.id).where(CorrectionRow.sha256 == sha256).limit(1)) is not None:
                return False
            self._photos.remove(sha256 + row.suffix)
            session.delete(row)
        return True

    def waiting(self, state: State = "waiting", after: str | None = None, limit: int = 20) -> list[StoredCorrection]:
        """Corrections of a state in the order in which they came, behind the one named `after`.

        Raises CorrectionNotFound or StorageUnavailable.
        """
        with self.database.reading() as session:
            asked = select(CorrectionRow, PhotoRow).join(PhotoRow).where(CorrectionRow.state == state)
            if after is not None:
                last = _one(session, after)
                asked = asked.where(tuple_(CorrectionRow.created, CorrectionRow.id) > (last.created, last.id))
            asked = asked.order_by(CorrectionRow.created, CorrectionRow.id).limit(limit)
            return [_kept(row, photo) for row, photo in session.execute(asked)]

    def count(self, state: State = "waiting") -> int:
        """How many there are of a state. Raises StorageUnavailable."""
        with self.database.reading() as session:
            return session.scalar(select(func.count()).select_from(CorrectionRow).where(CorrectionRow.state == state)) or 0

    def review(self, correction: str, version: int, decision: Decision, reviewer: str, species: str | None = None) -> StoredCorrection:
        """Decide about the correction as it was at `version`; with a species: it is of this one. Undone, it is as it was handed in.

        Raises VersionConflict where it is at another version by now, InvalidText for one that is accepted as nothing,
        CorrectionNotFound or StorageUnavailable.
        """
        now = datetime.now(UTC)
        with self.database.writing() as session:
            current = _one(session, correction)
            decided = current.handed_in if decision == "undo" else species or current.species
            if decision == "accept" and decided is None:
                raise InvalidText("nobody has said yet what is on the photo; accept it as a species")
            change = update(CorrectionRow).where(CorrectionRow.id == correction, CorrectionRow.version == version)
            values = {"version": version + 1, "state": _STATES[decision], "species": decided, "reviewer": reviewer, "reviewed": now}
            done = session.execute(change.values(**values).returning(CorrectionRow.id)).all()
            if not done:
                session.expire_all()
                raise VersionConflict(_one(session, correction))
            row = {"correction": correction, "version": version + 1, "decision": decision}
            session.execute(insert(ReviewRow).values(**row, species=decided, reviewer=reviewer, at=now))
            session.expire_all()
            return _one(session, correction)


def _repeated(session: Session, new: NewCorrection, now: datetime) -> StoredCorrection | None:
    """The correction of a short while ago that says the same of the same photo."""
    same = (
        CorrectionRow.sha256 == new.photo.sha256,
        CorrectionRow.handed_in == new.species,  # by SQLAlchemy IS NULL for None
        CorrectionRow.box == _box_text(new.box),
        CorrectionRow.note == new.note,
        CorrectionRow.plant == new.plant,
        CorrectionRow.source == new.source,
        CorrectionRow.created > now - _REPEATED_WITHIN,
    )
    found = session.execute(select(CorrectionRow, PhotoRow).join(PhotoRow).where(*same).order_by(CorrectionRow.created)).first()
    return None if found is None else replace(_kept(*found), repeated=True)


def _one(session: Session, correction: str) -> StoredCorrection:
    found = session.execute(select(CorrectionRow, PhotoRow).join(PhotoRow).where(CorrectionRow.id == correction)).first()
    if found is None:
        raise _unknown(correction)
    return _kept(*found)


def _unknown(correction: str) -> CorrectionNotFound:
    return CorrectionNotFound(f"there is no correction {correction[:40]!r}; it may have been removed")


def _kept(row: CorrectionRow, photo: PhotoRow) -> StoredCorrection:
    said = StoredPrediction(row.model, row.predicted, row.probability, row.confident, row.ood_score, row.familiar)
    return StoredCorrection(
        row.id,
        row.version,
        row.state,  # type: ignore[arg-type]  # written from the literals alone
        row.species,
        row.handed_in,
        said,
        _box(row.box),
        row.note,
        row.plant,
        row.source,  # type: ignore[arg-type]
        row.sha256,
        photo.suffix,
        photo.taken,
        row.created,
        row.reviewer,
        row.reviewed,
    )


def _box_text(box: Box | None) -> str | None:
    return None if box is None else ",".join(f"{value:g}" for value in box)


def _box(text: str | None) -> Box | None:
    if text is None:
        return None
    x, y, width, height = (float(part) for part in text.split(","))
    return x, y, width, height
