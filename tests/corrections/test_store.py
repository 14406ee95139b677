"""What is kept, decided and removed, in a real database of each kind."""

import datetime
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from corrections.errors import CorrectionNotFound, QuotaExceeded, StorageUnavailable, VersionConflict
from corrections.store import CorrectionStore
from tests.corrections.conftest import SAID, Open, files, new, png


def test_what_is_handed_in_is_what_is_kept(opened: Open, tmp_path: Path) -> None:
    corrections = opened()
    kept = corrections.add(new(1, "Maïs ☘", box=(1.5, 2, 30, 30), note="two\nlines; '--", plant="pot 7"))
    assert corrections.get(kept.id) == kept
    assert (kept.species, kept.box, kept.note, kept.plant) == ("Maïs ☘", (1.5, 2, 30, 30), "two\nlines; '--", "pot 7")
    assert (kept.said, kept.state, kept.version, kept.source) == (SAID, "waiting", 1, "person")
    assert kept.created.tzinfo is not None
    assert abs(datetime.datetime.now(datetime.UTC) - kept.created) < datetime.timedelta(minutes=1)
    assert kept.taken == kept.created.date()
    assert files(tmp_path / "photos") == {f"{png(1).sha256}.png"}
    assert corrections.photo(kept.id) == (png(1).content, ".png")


def test_a_photo_goes_with_its_last_correction(opened: Open, tmp_path: Path) -> None:
    corrections = opened()
    one, two = corrections.add(new(1)), corrections.add(new(1, "Maize"))
    corrections.remove(one.id)
    assert corrections.photo(two.id) == (png(1).content, ".png")
    corrections.remove(two.id)
    assert files(tmp_path / "photos") == set()
    for ask in (corrections.get, corrections.photo, corrections.remove):
        with pytest.raises(CorrectionNotFound):
            ask(two.id)


def test_the_quota_of_rows_and_of_bytes_holds(opened: Open, tmp_path: Path) -> None:
    few = opened(max_rows=2)
    for colour in range(2):
        few.add(new(colour))
    with pytest.raises(QuotaExceeded, match="as many as may be"):
        few.add(new(3))
    small = opened(max_bytes=3 * len(png(0).content) - 1)
    small.add(new(1))  # a photo that is there takes no room
    with pytest.raises(QuotaExceeded, match="bytes"):
        small.add(new(4))
    assert small.sweep() == 0
    assert len(files(tmp_path / "photos")) == 2


def test_the_quota_holds_for_many_at_the_same_time(opened: Open) -> None:
    replicas = [opened(max_rows=5), opened(max_rows=5)]

    def add(colour: int) -> bool:
        try:
            replicas[colour % 2].add(new(colour))
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(add, range(12))) == 5
    assert replicas[0].count() == 5


def test_the_same_sent_again_is_kept_once(opened: Open) -> None:
    corrections = opened(max_rows=4)
    now = datetime.datetime(2026, 6, 30, 12, tzinfo=datetime.UTC)
    first = corrections.add(new(1, box=(0, 0, 8, 8), note="n"), now)
    others = [new(1), new(1, "Maize", box=(0, 0, 8, 8), note="n"), new(2, box=(0, 0, 8, 8), note="n")]
    assert len({first.id, *(corrections.add(other, now).id for other in others)}) == 4
    again = corrections.add(new(1, box=(0, 0, 8, 8), note="n"), now + datetime.timedelta(minutes=59))  # the quota is used up
    assert (again.id, again.repeated, first.repeated) == (first.id, True, False)
    corrections.remove(first.id)
    later = corrections.add(new(1, box=(0, 0, 8, 8), note="n"), now)
    assert (later.id != first.id, later.repeated) == (True, False)
    with pytest.raises(QuotaExceeded):
        corrections.add(new(1, box=(0, 0, 8, 8), note="n"), now + datetime.timedelta(hours=1))  # a new one by then


def test_the_same_sent_by_many_at_the_same_time_is_kept_once(opened: Open, tmp_path: Path) -> None:
    replicas = [opened(), opened()]
    with ThreadPoolExecutor(8) as pool:
        for colour in range(5):
            kept = list(pool.map(lambda i, colour=colour: replicas[i % 2].add(new(colour)), range(8)))
            assert len({one.id for one in kept}) == 1
            assert sum(not one.repeated for one in kept) == 1
    assert replicas[0].count() == 5
    assert len(files(tmp_path / "photos")) == 5


def test_what_is_too_old_is_removed(opened: Open, tmp_path: Path) -> None:
    corrections = opened(keep_days=30)
    now = datetime.datetime(2026, 6, 30, 12, tzinfo=datetime.UTC)
    old = corrections.add(new(1), now - datetime.timedelta(days=30, seconds=1))
    young = corrections.add(new(2), now - datetime.timedelta(days=30, seconds=-1))
    corrections.review(old.id, 1, "accept", "Ada")
    assert corrections.sweep(now) == 1
    assert files(tmp_path / "photos") == {f"{png(2).sha256}.png"}
    assert [kept.id for kept in corrections.waiting()] == [young.id]


def test_the_longest_time_that_can_be_set_removes_nothing_and_clocks_ahead_do_no_harm(opened: Open) -> None:
    corrections = opened(keep_days=100_000)  # as many as the settings take; a day before the year 1 would be no date
    now = datetime.datetime.now(datetime.UTC)
    for n, days in enumerate([-40_000, 0, 40_000]):
        corrections.add(new(n), now + datetime.timedelta(days=days))
    assert corrections.sweep() == 0
    assert corrections.count() == 3


def test_decisions_and_who_made_them(opened: Open) -> None:
    corrections = opened()
    kept = corrections.add(new(1, "Sugar beet"))
    accepted = corrections.review(kept.id, 1, "accept", "Ada", "Charlock")
    assert (accepted.state, accepted.species, accepted.handed_in) == ("accepted", "Charlock", "Sugar beet")
    assert (accepted.version, accepted.reviewer) == (2, "Ada")
    rejected = corrections.review(kept.id, 2, "reject", "Bob")
    assert (rejected.state, rejected.species, rejected.reviewer) == ("rejected", "Charlock", "Bob")
    undone = corrections.review(kept.id, 3, "undo", "Bob")
    assert (undone.state, undone.species, undone.version) == ("waiting", "Sugar beet", 4)


def test_of_two_reviewers_the_second_is_told(opened: Open) -> None:
    one, other = opened(), opened()
    kept = one.add(new(1))
    with ThreadPoolExecutor(8) as pool:
        tries = [pool.submit((one if i % 2 else other).review, kept.id, 1, "accept", f"reviewer {i}") for i in range(8)]
    errors = [done.exception() for done in tries]
    winner = one.get(kept.id)
    assert errors.count(None) == 1
    assert winner.reviewer == f"reviewer {errors.index(None)}"
    for error in errors:
        if error is not None:
            assert isinstance(error, VersionConflict)
            assert error.current == winner


def test_ten_thousand_that_wait_come_in_pieces_in_their_order(opened: Open) -> None:
    corrections = opened(max_rows=20_000)
    first = corrections.add(new(1))
    copies(corrections, first.id, 10_000)
    assert corrections.count() == 10_001
    started = time.monotonic()
    seen: list[str] = []
    while page := corrections.waiting(after=seen[-1] if seen else None, limit=500):
        seen += [kept.id for kept in page]
    assert len(set(seen)) == len(seen) == 10_001
    assert time.monotonic() - started < 60  # and not in the square of their number
    corrections.review(seen[5000], 1, "reject", "Ada")
    assert [kept.id for kept in corrections.waiting(after=seen[4999], limit=1)] == [seen[5001]]


def copies(corrections: CorrectionStore, of: str, n: int) -> None:
    """Copies of one row: each by itself would take too long."""
    from sqlalchemy import insert, select

    from corrections.tables import CorrectionRow

    table = CorrectionRow.__table__
    with corrections.database.writing() as session:
        row = dict(session.execute(select(table).where(table.c.id == of)).mappings().one())
        rows = [row | {"id": f"{i:032x}", "created": row["created"] + datetime.timedelta(seconds=i // 3)} for i in range(n)]
        session.execute(insert(CorrectionRow), rows)


def test_the_same_photo_kept_and_removed_at_the_same_time_is_whole_or_gone(opened: Open, tmp_path: Path) -> None:
    replicas = [opened(), opened()]
    left: list[str] = []

    def add_and_remove(i: int) -> None:
        for turn in range(6):
            kept = replicas[i % 2].add(new(9, note=f"of {i}"))
            if turn < 5:
                replicas[(i + 1) % 2].remove(kept.id)
            else:
                left.append(kept.id)

    threads = [threading.Thread(target=add_and_remove, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(left) == 4
    for correction in left:
        assert replicas[0].photo(correction) == (png(9).content, ".png")


KILLED = """
import sys
from corrections.database import Database
from corrections.photos import PhotoFiles
from corrections.store import CorrectionStore, Quota
from tests.corrections.conftest import new

corrections = CorrectionStore(Database(sys.argv[1]), PhotoFiles(sys.argv[2]), Quota(10**6, 10**9))
corrections.open()
print("open", flush=True)
kept = None
for colour in range(10**6):
    if kept is not None and colour % 3 == 0:
        print("removing", kept.id, flush=True)
        corrections.remove(kept.id)
    kept = corrections.add(new(colour % 256))
    print("kept", kept.id, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_point_leaves_nothing_half(opened: Open, database_url: str, tmp_path: Path) -> None:
    photos = f"file://{tmp_path}/photos"
    told: set[str] = set()
    for lines, pause_s in ((0, 0.02), (1, 0.03), (8, 0.01)):  # it has written, on a busy machine too
        with subprocess.Popen([sys.executable, "-c", KILLED, database_url, photos], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            told |= {process.stdout.readline().rstrip("\n") for _ in range(lines)}
            time.sleep(pause_s)
            process.send_signal(signal.SIGKILL)
            told |= set(process.stdout.read().split("\n")[:-1])
    corrections = opened(max_rows=10**6, max_bytes=10**9)
    corrections.sweep()
    there = {kept.id: kept for kept in corrections.waiting(limit=10**6)}
    assert there
    for correction in there:
        assert corrections.photo(correction)[0].startswith(b"\x89PNG")
    corrections.sweep()
    assert files(tmp_path / "photos") == {f"{one.sha256}.png" for one in there.values()}
    kept, removed = ({line.split()[1] for line in told if line.startswith(word)} for word in ("kept", "removing"))
    assert kept - removed <= set(there)  # what was said to be kept is


def test_a_photo_that_cannot_be_written_leaves_no_row(opened: Open, tmp_path: Path) -> None:
    corrections = opened()
    (tmp_path / "photos").write_text("a file where the folder should be")
    with pytest.raises(StorageUnavailable, match=r"^the photo cannot be written: Not a directory$"):
        corrections.add(new(1))
    assert corrections.count() == 0


def test_a_photo_that_cannot_be_removed_yet_goes_later(opened: Open, tmp_path: Path) -> None:
    corrections, photos = opened(), tmp_path / "photos"
    kept = corrections.add(new(1))
    photos.rename(tmp_path / "aside")
    photos.write_text("a file where the folder should be")
    with pytest.raises(StorageUnavailable, match="the correction is removed, and its photo will be, by itself, once that works: the photo"):
        corrections.remove(kept.id)
    photos.unlink()
    (tmp_path / "aside").rename(photos)
    assert corrections.count() == 0
    assert corrections.sweep() == 1
    assert files(photos) == set()
