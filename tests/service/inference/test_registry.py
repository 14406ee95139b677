"""Hot swap: new versions take over, bad ones are refused, nobody notices."""

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from models_store import store
from models_store.republish import rollback
from service.inference.registry import Refusal, Registry
from tests import fakes
from tests.service.inference.registries import Loaded, registry, served


def test_an_empty_store_falls_back_until_a_version_appears(tmp_path: Path) -> None:
    fakes.publish(tmp_path / "shipped")
    held = registry(tmp_path / "volume", fallback=tmp_path / "shipped")
    held.refresh()
    assert held.current is not None
    first = held.current
    held.refresh()
    assert held.current is first  # not loaded again
    fakes.publish(tmp_path / "volume")
    held.refresh()
    assert held.current is not first


def test_a_model_beside_another_one_is_of_the_same_store_and_goes_with_it(tmp_path: Path) -> None:
    shipped, volume = tmp_path / "shipped", tmp_path / "volume"
    for name in ("seedlings", "seedlings-field"):
        fakes.publish(shipped, name=name)
    withdrawn: list[str] = []
    first = registry(volume, fallback=shipped)
    second = Registry(
        lambda opened, _: Loaded(opened),
        volume,
        "seedlings-field",
        poll_s=1,
        beside=first,
        on_withdrawal=lambda model: withdrawn.append(model.manifest.name),
    )
    second.refresh()
    assert (second.current, second.error) == (None, None)  # nothing yet to stand beside
    first.refresh()
    second.refresh()
    assert second.path == shipped / "seedlings-field" / "1"
    fakes.publish(volume)  # the operator's own one takes over, without one for the field
    second.refresh()
    assert second.current is not None  # as long as the shipped one answers
    first.refresh()
    second.refresh()
    assert (second.current, second.error, withdrawn) == (None, None, ["seedlings-field"])
    fakes.publish(volume, name="seedlings-field")
    second.refresh()
    assert second.path == volume / "seedlings-field" / "1"
    shutil.rmtree(volume / "seedlings-field" / "1")
    second.refresh()
    assert second.current is not None  # as any model whose files are gone
    assert withdrawn == ["seedlings-field"]


def test_a_model_beside_another_one_is_loaded_as_soon_as_that_is(tmp_path: Path) -> None:
    for name in ("seedlings", "seedlings-field"):
        fakes.publish(tmp_path, name=name)
    first = registry(tmp_path, poll_s=3600, on_swap=lambda _: second.look_again())
    second = Registry(lambda opened, _: Loaded(opened), tmp_path, "seedlings-field", poll_s=3600, beside=first)
    second.start()
    try:
        assert not second.looked
        first.start()
        until = time.monotonic() + 30
        while not second.looked:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert second.current is not None
    finally:
        first.close()
        second.close()


def test_the_version_in_service_and_its_folder_are_of_one_moment(tmp_path: Path) -> None:
    folders = [fakes.publish(tmp_path) for _ in range(2)]
    held = registry(tmp_path)
    assert held.in_service is None
    seen, looked, swapping = set(), threading.Event(), threading.Event()

    def look() -> None:
        while not swapping.is_set():
            if (both := held.in_service) is not None:
                seen.add((both[0].version, both[1].name))
                looked.set()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for name in ["1", "2"] * 20:
            for folder in folders:
                hidden = tmp_path / "hidden" / folder.name
                hidden.parent.mkdir(exist_ok=True)
                source, target = (hidden, folder) if folder.name == name else (folder, hidden)
                if source.exists():
                    source.rename(target)
            held.refresh()
            assert (held.current and held.current.version, held.path and held.path.name) == (name, name)
            assert looked.wait(10)  # a busy machine may let the thread wait
    finally:
        swapping.set()
        looking.join()
    assert seen <= {("1", "1"), ("2", "2")}


def test_nothing_to_serve_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    held = registry(tmp_path)
    held.refresh()
    assert held.current is None
    assert held.error
    assert "publish one" in held.error


def test_an_older_version_serves_when_the_newest_is_damaged(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    damaged = fakes.publish(tmp_path)
    good = (damaged / store.MODEL).read_bytes()
    (damaged / store.MODEL).write_bytes(good[:-1])
    refusals: list[None] = []
    held = registry(tmp_path, on_refusal=lambda: refusals.append(None))
    for _ in range(3):
        held.refresh()
    assert held.current is not None
    assert held.current.version == "1"
    assert len(refusals) == 1  # once, not at every look
    assert held.error  # though version 1 came into service after it was refused
    assert str(damaged) in held.error
    assert held.refused == (Refusal("2", held.error, transient=False),)
    (damaged / store.MODEL).write_bytes(good)  # mended
    held.refresh()
    assert held.current.version == "2"
    assert (held.error, held.refused) == (None, ())


def test_what_was_wrong_with_files_is_told_no_longer_while_the_mended_ones_load(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    damaged = [fakes.publish(tmp_path), fakes.publish(tmp_path)]
    good = [(path / store.MODEL).read_bytes() for path in damaged]
    told: list[tuple[str | None, list[str]]] = []

    def load(opened: store.Opened, _: object) -> Any:
        told.append((held.error, [refusal.version for refusal in held.refused]))
        return Loaded(opened)

    held = Registry(load, tmp_path, "seedlings", poll_s=1, fallback=tmp_path / "none")
    for path in damaged:
        (path / store.MODEL).write_bytes(b"")
    held.refresh()
    assert held.error == held.refused[0].reason
    (damaged[1] / store.MODEL).write_bytes(good[1])
    held.refresh()
    assert told == [(None, []), (None, ["2"])]  # the second version is as bad as before
    assert held.error is None


def test_taking_a_version_away_goes_back_to_the_one_before(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    newest = fakes.publish(tmp_path)
    held = registry(tmp_path)
    held.refresh()
    shutil.rmtree(newest)
    held.refresh()
    assert held.current is not None
    assert held.current.version == "1"


@pytest.mark.parametrize("raised", [RuntimeError("out of memory"), MemoryError()])
def test_whatever_loading_raises_is_survived(tmp_path: Path, raised: Exception) -> None:
    fakes.publish(tmp_path)

    def load(*_: object) -> Any:
        raise raised

    held = Registry(load, tmp_path, "seedlings", poll_s=1)
    held.refresh()
    assert held.current is None
    assert held.error


@pytest.mark.parametrize("gone", ["the store", "the model", "its versions"])
def test_a_store_that_is_not_there_for_a_look_changes_nothing(tmp_path: Path, gone: str) -> None:
    fakes.publish(tmp_path / "shipped")
    root = tmp_path / "volume"
    for _ in range(3):
        fakes.publish(root)
    held = registry(root, fallback=tmp_path / "shipped")
    assert served(held) == "3"
    before = held.current
    away = {"the store": root, "the model": root / "seedlings", "its versions": root / "seedlings"}[gone]
    away.rename(tmp_path / "away")
    if gone == "its versions":  # an empty folder, as under a mount that is gone
        away.mkdir()
    held.refresh()
    assert held.current is before
    assert held.error
    assert "seedlings 3 goes on being served" in held.error
    if gone == "its versions":
        away.rmdir()
    (tmp_path / "away").rename(away)
    held.refresh()
    assert held.current is before
    assert held.error is None


def test_a_store_that_cannot_be_listed_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.publish(tmp_path)
    held = registry(tmp_path)
    assert served(held) == "1"

    def fail(*_: object) -> Any:
        raise OSError(116, "Stale file handle")

    with monkeypatch.context() as patch:
        patch.setattr(store.os, "scandir", fail)
        assert served(held) == "1"
        assert held.error
        assert "Stale file handle" in held.error
    held.refresh()
    assert held.error is None


def test_a_pinned_version_is_not_looked_for_among_the_shipped(tmp_path: Path) -> None:
    fakes.publish(tmp_path / "shipped")
    (tmp_path / "volume").mkdir()
    held = registry(tmp_path / "volume", fallback=tmp_path / "shipped", version=1)
    assert served(held) is None
    assert held.error
    assert "holds no version 1" in held.error
    assert served(registry(tmp_path / "shipped", fallback=tmp_path / "shipped", version=1)) == "1"  # unless that is the store


def test_a_pinned_version_that_is_missing_is_named(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    fakes.publish(tmp_path, name="mine")
    held = registry(tmp_path, version=7)
    assert served(held) is None
    assert held.error
    assert "holds no version 7" in held.error


def test_a_bad_version_that_is_taken_away_is_forgotten(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    bad = fakes.publish(tmp_path)
    (bad / store.MODEL).write_bytes(b"")
    held = registry(tmp_path)
    assert served(held) == "1"
    assert held.error
    shutil.rmtree(bad)
    assert served(held) == "1"
    assert (held.error, held.refused) == (None, ())


def test_a_version_published_anew_under_its_number_is_loaded(tmp_path: Path) -> None:
    path = fakes.publish(tmp_path)
    held = registry(tmp_path)
    held.refresh()
    before = held.current
    shutil.rmtree(path)
    assert fakes.publish(tmp_path, fakes.Turned) == path
    held.refresh()
    assert held.current is not before


def test_a_version_whose_files_were_spoilt_goes_on_from_memory(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    path = fakes.publish(tmp_path)
    held = registry(tmp_path)
    assert served(held) == "2"
    (path / store.MODEL).write_bytes(b"")
    for _ in range(2):
        assert served(held) == "2"
        assert [refused.version for refused in held.refused] == ["2"]
        assert held.error


def test_a_rollback_is_a_new_version_to_a_running_service(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    held = registry(tmp_path)
    fakes.publish(tmp_path, fakes.Turned)
    assert served(held) == "2"
    rollback(tmp_path, "seedlings")
    assert served(held) == "3"


def test_a_store_of_another_model_is_told(tmp_path: Path) -> None:
    fakes.publish(tmp_path / "shipped")
    fakes.publish(tmp_path / "volume", name="mine")
    held = registry(tmp_path / "volume", fallback=tmp_path / "shipped")
    assert served(held) == "1"
    assert held.error
    assert "but of mine; name one in SEEDLINGS_MODEL" in held.error


def test_a_store_of_models_for_another_task_alone_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fakes.publish(tmp_path / "shipped")
    fakes.publish_segmenter(tmp_path / "volume")
    held = registry(tmp_path / "volume", fallback=tmp_path / "shipped")
    assert served(held) == "1"
    assert (held.error, caplog.text) == (None, "")
    fakes.publish(tmp_path / "volume", name="mine")
    held.refresh()
    assert held.error
    assert "but of mine; name" in held.error  # and not the segmenter
    unreadable = fakes.publish(tmp_path / "volume", name="yours")
    (unreadable / store.MANIFEST).write_bytes(b"")
    held.refresh()
    assert "but of mine, yours; name" in held.error  # which may be a classifier


def test_a_model_for_another_task_that_is_named_is_told(tmp_path: Path) -> None:
    fakes.publish_segmenter(tmp_path, name="seedlings")
    held = registry(tmp_path)
    assert served(held) is None
    assert held.error
    assert "is a segmenter; what is wanted here is a classifier" in held.error


def test_a_segmenter_that_is_missing_is_to_be_published_as_one(tmp_path: Path) -> None:
    fakes.publish(tmp_path, name="mine")
    held = registry(tmp_path, read=store.open_segmenter, task="segmentation")
    assert served(held) is None
    assert held.error
    assert "publish one with 'python -m training photo-segmenter export'" in held.error


def test_a_swap_holds_when_telling_of_it_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fakes.publish(tmp_path)
    (fakes.publish(tmp_path) / store.MODEL).write_bytes(b"")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    held = registry(tmp_path, on_swap=full, on_refusal=full)
    assert served(held) == "1"
    assert caplog.text.count("what goes with a change of versions failed") == 2
    assert held.error
    assert "No space" not in held.error
