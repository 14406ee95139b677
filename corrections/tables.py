"""The tables. Each change of them is a migration in migrations/versions; a test compares the two."""

import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, Date, DateTime, Dialect, Float, ForeignKey, Index, Integer, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime.datetime]):
    """A moment in UTC. SQLite keeps none with a zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime.datetime | None, dialect: Dialect) -> datetime.datetime | None:
        """To the database."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(datetime.UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime.datetime | None:
        """From the database."""
        if value is None:
            return None
        assert isinstance(value, datetime.datetime)
        return value.replace(tzinfo=datetime.UTC) if dialect.name == "sqlite" else value.astimezone(datetime.UTC)


class Base(DeclarativeBase):
    """All tables."""


class PhotoRow(Base):
    """A photo file. One without corrections is waste: it is being written, or about to be removed."""

    __tablename__ = "photos"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    suffix: Mapped[str] = mapped_column(String(8))
    n_bytes: Mapped[int] = mapped_column(BigInteger)
    taken: Mapped[datetime.date] = mapped_column(Date)
    look: Mapped[str | None] = mapped_column(String(16))  # 64 bits in hex, of a photo that the service chose


class CorrectionRow(Base):
    """What a person says of a photo, what the model said, and what a reviewer decided."""

    __tablename__ = "corrections"
    __table_args__ = (
        Index("corrections_in_order", "state", "created", "id"),
        Index("corrections_by_age", "created"),
        Index("corrections_of_photo", "sha256"),
        Index("corrections_by_source", "source", "created"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("photos.sha256"))
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(String(16))
    species: Mapped[str | None] = mapped_column(Text)
    handed_in: Mapped[str | None] = mapped_column(Text)
    box: Mapped[str | None] = mapped_column(Text)  # x,y,width,height
    note: Mapped[str] = mapped_column(Text)
    plant: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    predicted: Mapped[str] = mapped_column(Text)
    probability: Mapped[float] = mapped_column(Float)
    confident: Mapped[bool] = mapped_column(Boolean)
    ood_score: Mapped[float | None] = mapped_column(Float)
    familiar: Mapped[bool | None] = mapped_column(Boolean)
    created: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    reviewer: Mapped[str] = mapped_column(Text)
    reviewed: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    worth: Mapped[float | None] = mapped_column(Float)  # of one that the service chose


class ReviewRow(Base):
    """One decision about a correction: all of them stay, so that it can be seen who decided what."""

    __tablename__ = "reviews"

    correction: Mapped[str] = mapped_column(ForeignKey("corrections.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)  # of the correction, after it
    decision: Mapped[str] = mapped_column(String(16))
    species: Mapped[str | None] = mapped_column(Text)
    reviewer: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
