"""Publishing, finding and verifying artifacts; every way of being wrong is told with the file's name."""

import functools
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from models_store import store, temporary
from models_store.manifest import Manifest
from models_store.store import ArtifactCorrupt, ArtifactMissing, PublishFailed, SchemaTooNew
from tests import fakes, small_disk

ROOT = Path(__file__).parents[2]
CONTENT = bytes(range(256)) * 20


def publish(root: Path, content: bytes = CONTENT, name: str = "seedlings") -> Path:
    return store.publish(root, content, functools.partial(fakes.manifest, name=name), lambda manifest: f"# {manifest.version}\n", name)


def test_published_versions_are_found_and_verified(tmp_path: Path) -> None:
    first, second = publish(tmp_path), publish(tmp_path, CONTENT[::-1])
    assert (first.name, second.name) == ("1", "2")
    assert store.versions(tmp_path, "seedlings") == [1, 2]
    assert store.models(tmp_path) == {"seedlings": [1, 2]}
    assert store.resolve(tmp_path, "seedlings") == second
    assert store.resolve(tmp_path, "seedlings", 1) == first
    opened = store.open_artifact(second)
    assert opened.model.read() == CONTENT[::-1]
    assert opened.manifest == store.verify(second)
    assert (second / store.CARD).read_text() == "# 2\n"
    assert sorted(entry.name for entry in (tmp_path / "seedlings").iterdir()) == ["1", "2"]  # nothing temporary is left


def test_versions_are_numbers_not_words(tmp_path: Path) -> None:
    for name in ("10", "9", "01", "0", "-1", "x", "²", ".publishing-1"):
        (tmp_path / "m" / name).mkdir(parents=True)
    (tmp_path / "m" / "11").write_text("a file")
    assert store.versions(tmp_path, "m") == [9, 10]


def test_a_link_to_itself_hides_no_version(tmp_path: Path) -> None:
    path = publish(tmp_path)
    for name in ("2", "3"):
        (path.parent / name).symlink_to(name)
    assert store.versions(tmp_path, "seedlings") == [1]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    assert store.versions(tmp_path / "no", "seedlings") == []
    assert store.models(tmp_path / "no") == {}
    with pytest.raises(ArtifactMissing, match="export"):
        store.resolve(tmp_path, "seedlings")
    publish(tmp_path)
    with pytest.raises(ArtifactMissing, match="no version 7; it has 1"):
        store.resolve(tmp_path, "seedlings", 7)
    (tmp_path / "mine.pt").write_bytes(b"weights")
    with pytest.raises(ArtifactMissing, match=r"mine\.pt is a file; name the folder of a published version"):
        store.read_any_manifest(tmp_path / "mine.pt")


def edit(**changes: object) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        file = path / store.MANIFEST
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return apply


def instead(file: Path, make: Callable[[Path], None]) -> None:
    file.unlink()
    make(file)


def flip(path: Path) -> None:
    content = bytearray((path / store.MODEL).read_bytes())
    content[1000] ^= 1
    (path / store.MODEL).write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "error", "file"),
    [
        (flip, ArtifactCorrupt, store.MODEL),
        (lambda path: (path / store.MODEL).write_bytes(CONTENT[:-1]), ArtifactCorrupt, store.MODEL),
        (lambda path: (path / store.MODEL).write_bytes(b""), ArtifactCorrupt, store.MODEL),
        (lambda path: (path / store.MODEL).unlink(), ArtifactMissing, store.MODEL),
        (lambda path: os.truncate(path / store.MODEL, 2**40), ArtifactCorrupt, store.MODEL),
        (lambda path: os.truncate(path / store.MANIFEST, 2**40), ArtifactCorrupt, store.MANIFEST),
        (lambda path: instead(path / store.MODEL, Path.mkdir), ArtifactCorrupt, store.MODEL),
        (lambda path: instead(path / store.MANIFEST, os.mkfifo), ArtifactCorrupt, store.MANIFEST),
        (lambda path: (path / store.MANIFEST).unlink(), ArtifactMissing, store.MANIFEST),
        (lambda path: (path / store.MANIFEST).write_text("{"), ArtifactCorrupt, store.MANIFEST),
        (lambda path: (path / store.MANIFEST).write_text("[1]"), ArtifactCorrupt, store.MANIFEST),
        (lambda path: (path / store.MANIFEST).write_text("[" * 100_000), ArtifactCorrupt, store.MANIFEST),
        (lambda path: (path / store.MANIFEST).write_bytes(b"\xff\xfe"), ArtifactCorrupt, store.MANIFEST),
        (edit(schema_version=3, min_reader_schema=3), SchemaTooNew, store.MANIFEST),
        (edit(species=[]), ArtifactCorrupt, store.MANIFEST),
        (edit(species=[{"name": "a"}, {"name": "a"}]), ArtifactCorrupt, store.MANIFEST),
        (edit(files={}), ArtifactCorrupt, store.MANIFEST),
        (edit(files={store.MODEL: "0" * 64}), ArtifactCorrupt, store.MODEL),
        (edit(version=3), ArtifactCorrupt, store.MANIFEST),
        (edit(name="other"), ArtifactCorrupt, store.MANIFEST),
    ],
)
def test_damage_is_refused_and_named(tmp_path: Path, damage: Callable[[Path], object], error: type[Exception], file: str) -> None:
    path = publish(tmp_path)
    damage(path)
    with pytest.raises(error) as told:
        store.open_artifact(path)
    message = str(told.value)
    assert str(path / file) in message
    assert "\n" not in message


def test_writers_at_the_same_time_get_versions_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda i: publish(tmp_path, bytes([i]) * 10), range(16)))
    assert sorted(int(path.name) for path in paths) == list(range(1, 17))
    for i, path in enumerate(paths):
        assert store.open_artifact(path).model.read() == bytes([i]) * 10


def test_a_file_with_a_version_s_name_is_passed_over(tmp_path: Path) -> None:
    publish(tmp_path)
    (tmp_path / "seedlings" / "2").write_text("a note")
    (tmp_path / "seedlings" / "3").symlink_to(tmp_path / "gone")
    assert publish(tmp_path).name == "4"


def test_what_fails_while_publishing_leaves_nothing(tmp_path: Path) -> None:
    def describe(*_: object) -> Manifest:
        raise ValueError("no figures")

    with pytest.raises(ValueError, match="no figures"):
        store.publish(tmp_path, CONTENT, describe, lambda _: "", "seedlings")
    assert list((tmp_path / "seedlings").iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishFailed, match="file"):
        publish(tmp_path / "file")


def test_leftovers_of_dead_writers_go_away(tmp_path: Path) -> None:
    left = tmp_path / "seedlings" / ".publishing-abcdefgh"
    left.mkdir(parents=True)
    with temporary.folder(left.parent, ".publishing-") as being_written:
        publish(tmp_path)
        assert not left.exists()
        assert being_written.exists()


def test_a_file_beside_the_model_is_read_verified(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"records").hexdigest()

    def describe(*args: Any) -> Manifest:
        manifest = fakes.manifest(*args)
        return manifest.model_copy(update={"files": manifest.files | {"learnt.npy": digest}})

    folder = store.publish(tmp_path, CONTENT, describe, lambda _: "", "seedlings", {"learnt.npy": b"records"})
    manifest = store.verify(folder)
    assert store.beside(folder, manifest, "learnt.npy") == b"records"
    assert store.beside(folder, manifest, "other.npy") is None
    (folder / "learnt.npy").write_bytes(b"altered")
    with pytest.raises(ArtifactCorrupt, match=r"learnt\.npy does not have the SHA-256"):
        store.beside(folder, manifest, "learnt.npy")


_ENDLESS = """
import functools, sys
from pathlib import Path
from models_store import store
from tests import fakes
while True:
    store.publish(Path(sys.argv[1]), b"x" * 100_000, fakes.manifest, lambda _: "", "seedlings")
    print("published", flush=True)
"""


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_store_whole(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _ENDLESS, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT) as writer:
        assert writer.stdout is not None
        for _ in range(5):
            assert writer.stdout.readline() == b"published\n"
        writer.send_signal(signal.SIGKILL)
    found = store.versions(tmp_path, "seedlings")
    assert len(found) >= 5
    (tmp_path / "seedlings" / ".publishing-abcdefgh").mkdir()  # as a kill in the middle leaves it
    for version in found:
        store.verify(tmp_path / "seedlings" / str(version))
    assert publish(tmp_path).name == str(found[-1] + 1)
    assert {entry.name for entry in (tmp_path / "seedlings").iterdir()} == {*map(str, found), str(found[-1] + 1)}


def test_a_full_disk_publishes_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    with small_disk.mounted(tmp_path / "disk", 200) as disk:
        publish(disk)
        filler = small_disk.fill(disk)
        with pytest.raises(PublishFailed, match=r"No space left on device\); nothing was published: free space"):
            publish(disk)
        assert [entry.name for entry in (disk / "seedlings").iterdir()] == ["1"]
        store.verify(disk / "seedlings" / "1")
        filler.unlink()
        assert publish(disk).name == "2"


def test_a_model_for_another_task_is_not_opened(tmp_path: Path) -> None:
    segmenter, classifier = fakes.publish_segmenter(tmp_path), fakes.publish(tmp_path)
    with pytest.raises(store.ArtifactUnsuitable, match="is a segmenter; what is wanted here is a classifier"):
        store.open_artifact(segmenter)
    with pytest.raises(store.ArtifactUnsuitable, match="is a classifier; what is wanted here is a segmenter"):
        store.open_segmenter(classifier)
    file = segmenter / store.MANIFEST
    file.write_text(file.read_text().replace('"segmentation"', '"poetry"'))
    with pytest.raises(store.ArtifactUnsuitable, match="for poetry, which this release does not know"):
        store.verify(segmenter)


def test_a_model_for_another_task_does_not_become_the_next_version(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    fakes.publish_segmenter(tmp_path)
    store.check_next(tmp_path, "seedlings", "classification")
    store.check_next(tmp_path, "mine", "segmentation")
    with pytest.raises(store.ArtifactUnsuitable, match="seedlings holds a model for classification, this one is for segmentation"):
        store.check_next(tmp_path, "seedlings", "segmentation")
    with pytest.raises(store.ArtifactUnsuitable, match="holds a model for segmentation"):
        store.check_next(tmp_path, "seedlings-segmenter", "classification")
    (tmp_path / "seedlings" / "1" / store.MANIFEST).write_text("damaged")
    store.check_next(tmp_path, "seedlings", "segmentation")
    for name in ("../x", "a b", "", ".", "a\n"):
        with pytest.raises(store.StoreError, match="cannot be a model's name"):
            store.check_next(tmp_path, name, "segmentation")


def test_the_name_of_a_shipped_model_is_kept_for_its_task(tmp_path: Path) -> None:
    for name, task in (("seedlings", "classification"), ("seedlings-segmenter", "segmentation")):
        store.check_next(tmp_path, name, task)
    for name, task in (("seedlings", "segmentation"), ("seedlings-segmenter", "classification")):
        with pytest.raises(store.ArtifactUnsuitable, match="publish it under another name"):
            store.check_next(tmp_path, name, task)


def test_a_version_is_named_by_its_folder_or_as_one_that_comes_with_the_project(publish_in: Callable[..., Path]) -> None:
    folder = publish_in(fakes.Shares)
    assert store.named_version(str(folder)) == folder
    shipped = store.resolve(store.SHIPPED_STORE, "seedlings")
    assert store.named_version(f"seedlings/{shipped.name}") == shipped
    assert not store.named_version("seedlings/9999").exists()
