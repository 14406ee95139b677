"""Which photos a reviewer is asked about."""

import datetime
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from corrections import active_learning
from corrections.errors import InvalidText
from corrections.records import StoredCorrection
from corrections.store import CorrectionStore
from corrections.tables import CorrectionRow
from tests.corrections.conftest import Open, files, new

NOON = datetime.datetime(2026, 6, 30, 12, tzinfo=datetime.UTC)
LOOKS = [0xFFFF << 16 * (i % 4) ^ int(f"{0x0101 * (i // 4 * 3 + 1) & 0xFFFF:04x}" * 4, 16) for i in range(16)]


def ask(
    corrections: CorrectionStore, i: int, worth: float, now: datetime.datetime = NOON, look: int | None = None, a_day: int = 3
) -> StoredCorrection | None:
    return active_learning.ask(corrections, new(i, None), worth, LOOKS[i] if look is None else look, a_day, now)


def worths(corrections: CorrectionStore) -> list[float]:
    with corrections.database.reading() as session:
        return sorted(worth for worth in session.scalars(select(CorrectionRow.worth)) if worth is not None)


def test_the_looks_of_these_tests_are_unlike() -> None:
    assert all((a ^ b).bit_count() > active_learning.NEAR_BITS for i, a in enumerate(LOOKS) for b in LOOKS[:i])


def test_those_of_a_day_that_are_worth_most_are_kept(opened: Open, tmp_path: Path) -> None:
    corrections = opened()
    for i, worth in enumerate([0.5, 0.2, 0.9, 0.3, 0.1, 0.7]):
        kept = ask(corrections, i, worth)
        assert (kept is None) == (worth == 0.1)
    assert worths(corrections) == [0.5, 0.7, 0.9]
    assert len(files(tmp_path / "photos")) == 3  # what made room took its file along
    assert not active_learning.is_worth_asking(corrections, 0.4, 3, NOON)
    assert active_learning.is_worth_asking(corrections, 0.6, 3, NOON)
    assert ask(corrections, 6, 0.01, NOON + datetime.timedelta(days=1)) is not None  # another day
    kept = corrections.waiting()[0]
    assert (kept.source, kept.species, kept.state) == ("asked", None, "waiting")


def test_a_clock_that_was_ahead_takes_no_day_s_room_and_loses_nothing(opened: Open) -> None:
    corrections = opened()
    ahead = [ask(corrections, i, 0.1, NOON + datetime.timedelta(days=400)) for i in range(3)]
    for i in range(3, 6):
        assert ask(corrections, i, 0.5) is not None
    assert ask(corrections, 6, 0.9) is not None  # in the place of one of the same day
    assert {one.id for one in ahead if one is not None} < {kept.id for kept in corrections.waiting()}
    assert worths(corrections) == [0.1, 0.1, 0.1, 0.5, 0.5, 0.9]


def test_what_a_person_handed_in_or_decided_makes_no_room(opened: Open) -> None:
    corrections = opened()
    person = corrections.add(new(15), NOON)
    decided = [ask(corrections, i, 0.1) for i in range(3)]
    for one in decided:
        assert one is not None
        with pytest.raises(InvalidText, match="nobody has said yet"):
            corrections.review(one.id, 1, "accept", "Ada")
        corrections.review(one.id, 1, "accept", "Ada", "Maize")
    assert ask(corrections, 4, 0.9) is None
    assert corrections.get(person.id).state == "waiting"


def test_photos_that_look_alike_are_asked_about_once(opened: Open) -> None:
    corrections = opened()
    assert ask(corrections, 0, 0.5) is not None
    assert ask(corrections, 1, 0.9, look=LOOKS[0] ^ 0b1011) is None
    assert ask(corrections, 1, 0.9, NOON + datetime.timedelta(days=2), look=LOOKS[0] ^ 0b1011) is None
    assert ask(corrections, 1, 0.9, look=LOOKS[0] ^ (2**20 - 1)) is not None


def test_with_the_quota_used_up_none_is_kept(opened: Open) -> None:
    corrections = opened(max_rows=1)
    assert ask(corrections, 0, 0.5) is not None
    assert ask(corrections, 1, 0.9) is None
    assert worths(corrections) == [0.5]


def test_several_replicas_keep_no_more_together(opened: Open, tmp_path: Path) -> None:
    replicas = [opened(), opened()]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda i: ask(replicas[i % 2], i, i / 20), range(16)))
    assert len(worths(replicas[0])) == 3
    assert len(files(tmp_path / "photos")) == 3
