"""What can go wrong when corrections are kept or read.

CorrectionsError
├── BadText          a name, note or URL that cannot be kept as it is
├── Full             the quota of rows or bytes is used up
├── Unknown          there is no such correction
├── Changed          somebody else decided meanwhile; carries what stands there now
└── Unavailable      the database or the photos do not answer
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corrections.records import Kept


class CorrectionsError(Exception):
    """Base of all of them. The message says what is wrong and what to do."""


class BadText(CorrectionsError):
    """A name, a note or a URL cannot be kept as it is."""


class Full(CorrectionsError):
    """The quota of rows or bytes is used up."""


class Unknown(CorrectionsError):
    """There is no such correction."""


class Changed(CorrectionsError):
    """Somebody else decided meanwhile."""

    def __init__(self, current: "Kept") -> None:
        super().__init__(f"the correction is at version {current.version} by now; look at it again")
        self.current = current


class Unavailable(CorrectionsError):
    """The database or the photos do not answer."""
