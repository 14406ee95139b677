"""When a version that could not be loaded is tried again."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from models_store import store
from service.inference.registry import Refusal, Registry
from tests import fakes
from tests.service.inference.registries import Loaded, registry, served


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Loading:
    """Loads, but for those times that are told to fail first. Counts."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.times = list(errors), 0

    def __call__(self, opened: store.Opened, _: object) -> Any:
        self.times += 1
        if self.errors:
            raise self.errors.pop(0)
        return Loaded(opened)


@pytest.mark.parametrize("raised", [MemoryError(), RuntimeError("the device is lost"), store.ArtifactUnreadable("stale file handle")])
def test_what_may_pass_is_tried_again_with_growing_pauses(tmp_path: Path, raised: Exception) -> None:
    fakes.publish(tmp_path)
    load, clock = Loading(*[raised] * 12), Clock()
    held = Registry(load, tmp_path, "seedlings", poll_s=2, clock=clock)
    tries = []
    while served(held) is None:
        tries.append(load.times)
        assert held.refused[0].transient
        clock.now += 1
    pauses = [tries.count(count) for count in range(1, 13)]
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    assert (held.error, held.refused) == (None, ())


def test_what_lies_in_the_files_is_not_tried_again_until_they_change(tmp_path: Path) -> None:
    path = fakes.publish(tmp_path)
    load, clock = Loading(*[store.ArtifactCorrupt("no network")] * 2), Clock()
    held = Registry(load, tmp_path, "seedlings", poll_s=2, clock=clock)
    for _ in range(3):
        assert served(held) is None
        clock.now += 10_000
    assert load.times == 1
    assert held.refused == (Refusal("1", "no network", transient=False),)
    os.utime(path / store.MODEL)
    served(held)
    assert load.times == 2


def test_files_mended_in_place_have_changed_whatever_their_time_says(tmp_path: Path) -> None:
    path = fakes.publish(tmp_path)
    load = Loading(store.ArtifactCorrupt("no network"))
    held = Registry(load, tmp_path, "seedlings", poll_s=2)
    assert served(held) is None
    before = (path / store.MODEL).stat()
    with (path / store.MODEL).open("r+b") as file:  # as rsync does with --inplace and --times
        file.write((path / store.MODEL).read_bytes())
    os.utime(path / store.MODEL, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert served(held) == "1"
    (path / store.MODEL).chmod(0o600)
    assert served(held) == "1"
    assert load.times == 2  # of what is loaded, new permissions change nothing


def test_the_service_ends_though_a_disk_hangs(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    reading, answered = threading.Event(), threading.Event()

    def hangs(path: Path) -> store.Opened:
        reading.set()
        answered.wait()
        return store.open_artifact(path)

    held = Registry(Loading(), tmp_path, "seedlings", poll_s=2, read=hangs, patience_s=0.05)
    held.start()
    assert reading.wait(60)
    held.close()  # returns
    assert held.current is None
    answered.set()


def test_too_little_memory_names_the_version(tmp_path: Path) -> None:
    path = fakes.publish(tmp_path)
    held = Registry(Loading(MemoryError()), tmp_path, "seedlings", poll_s=2)
    assert served(held) is None
    assert held.error == f"{path} needs more memory than there is now"


def test_files_that_change_while_they_are_read_are_read_again(tmp_path: Path) -> None:
    path = fakes.publish(tmp_path)

    def load(opened: store.Opened, _: object) -> Any:
        os.utime(path / store.MODEL)  # a copy that is still going on
        raise store.ArtifactCorrupt("half of it")

    held = Registry(load, tmp_path, "seedlings", poll_s=1, clock=Clock())
    held.refresh()
    assert [refused.transient for refused in held.refused] == [True]


def test_a_file_that_is_there_and_could_not_be_found_is_looked_for_again(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    clock = Clock()
    held = Registry(Loading(store.ArtifactMissing("model.pt is missing")), tmp_path, "seedlings", poll_s=1, clock=clock)
    assert served(held) is None
    clock.now += 1
    assert served(held) == "1"


def test_a_file_that_is_missing_is_waited_for(tmp_path: Path) -> None:
    path = fakes.publish(tmp_path)
    (path / store.MODEL).rename(tmp_path / "elsewhere")
    held = registry(tmp_path)
    assert served(held) is None
    assert [(refused.version, refused.transient) for refused in held.refused] == [("1", False)]
    (tmp_path / "elsewhere").rename(path / store.MODEL)
    assert served(held) == "1"
