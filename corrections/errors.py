"""What can go wrong when corrections are kept or read.

CorrectionsError
├── InvalidText          a name, note or URL that cannot be kept as it is
├── QuotaExceeded        the quota of rows or bytes is used up
├── CorrectionNotFound   there is no such correction
├── VersionConflict      somebody else decided meanwhile; carries what stands there now
└── StorageUnavailable   the database or the photos do not answer
    └── PhotoLost        there is no file of the photo any more
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corrections.records import StoredCorrection


class CorrectionsError(Exception):
    """Base of all of them. The message says what is wrong and what to do."""


class InvalidText(CorrectionsError):
    """A name, a note or a URL cannot be kept as it is."""


class QuotaExceeded(CorrectionsError):
    """The quota of rows or bytes is used up."""


class CorrectionNotFound(CorrectionsError):
    """There is no such correction."""


class VersionConflict(CorrectionsError):
    """Somebody else decided meanwhile."""

    def __init__(self, current: "StoredCorrection") -> None:
        super().__init__(f"the correction is at version {current.version} by now; look at it again")
        self.current = current


class StorageUnavailable(CorrectionsError):
    """The database or the photos do not answer. `said` is for whoever asks; `reason` may name addresses, and is in the message alone."""

    def __init__(self, said: str, reason: str = "") -> None:
        super().__init__(f"{said}: {reason}" if reason else said)
        self.said = f"{said}; the log of the service says why" if reason else said


class PhotoLost(StorageUnavailable):
    """There is no file of the photo any more."""
