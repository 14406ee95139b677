"""What was decoded is kept as long as it is of use, and goes by itself."""

import os
import time

import pytest

from models_store import temporary
from tests import drawn, small_disk
from training.data import decoded_cache
from training.data.images import load
from training.errors import DiskError


@pytest.fixture
def folder(tmp_path):
    return drawn.folder(tmp_path / "data", species=2, images=3)


def kept(cache):
    return {entry.name for entry in cache.iterdir()}


def age(entry, seconds):
    past = time.time() - seconds
    os.utime(entry / "index.json", (past, past))


def test_an_earlier_state_of_a_folder_goes_and_other_folders_stay(folder, tmp_path):
    cache = tmp_path / "cache"
    load(drawn.folder(tmp_path / "other", species=2, images=3), cache)
    (other,) = kept(cache)
    load(folder, cache)
    (before,) = kept(cache) - {other}
    drawn.plant(0, 50).save(folder / "Maize" / "new.png")
    assert len(load(folder, cache).files) == 7
    assert other in kept(cache)
    assert before not in kept(cache)
    assert len(kept(cache)) == 2


def test_what_nobody_used_for_30_days_goes_and_use_keeps_it(folder, tmp_path):
    cache = tmp_path / "cache"
    load(folder, cache)
    (entry,) = cache.iterdir()
    age(entry, decoded_cache.UNUSED_S + 60)
    load(folder, cache)  # used
    load(drawn.folder(tmp_path / "other", species=2, images=3), cache)
    assert entry.name in kept(cache)
    age(entry, decoded_cache.UNUSED_S + 60)
    load(tmp_path / "other", cache)
    assert entry.name not in kept(cache)


def test_nothing_else_in_the_folder_is_touched(folder, tmp_path):
    cache = tmp_path / "cache"
    (cache / "notes").mkdir(parents=True)
    (cache / "notes" / "index.json").write_text("{}")
    (cache / ("0" * 32)).mkdir()  # no index, so nothing of ours
    age(cache / "notes", 10 * decoded_cache.UNUSED_S)
    load(folder, cache)
    assert {"notes", "0" * 32} < kept(cache)


def test_what_a_killed_decoding_left_goes_and_one_at_work_stays(folder, tmp_path):
    cache = tmp_path / "cache"
    (cache / ".decoding-abcdefgh").mkdir(parents=True)
    with temporary.folder(cache, ".decoding-") as at_work:
        load(folder, cache)
        assert {name for name in kept(cache) if name.startswith(".")} == {at_work.name}


def test_a_disk_that_is_full_before_the_end_is_told(folder, tmp_path):
    needed_kib = 396  # 6 images of 67,500 bytes, and nothing for the index
    with small_disk.mounted(tmp_path / "cache", needed_kib) as cache:
        with pytest.raises(DiskError, match=r"cannot be written \(No space left on device\); free space"):
            load(folder, cache)
        assert kept(cache) == set()


def test_space_is_taken_before_pages_are_mapped(folder, tmp_path):
    with small_disk.mounted(tmp_path / "cache", 1000) as cache:
        filled = []

        def decode(array):
            filled.append(small_disk.fill(cache))  # by somebody else, meanwhile
            array[:] = 7  # where a page finds no space, this process ends
            filled[0].unlink()
            return ["0" * 64] * 6

        files = [f"{species}/{number:03}.png" for species in ("Charlock", "Maize") for number in range(3)]
        assert (decoded_cache.load(cache, folder, files, decode).pixels == 7).all()
        assert filled
