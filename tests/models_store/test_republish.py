"""Going back to an older version, and publishing what was made elsewhere: the same files, as the next version."""

import datetime
import functools
import hashlib
from pathlib import Path

import pytest

from models_store import store
from models_store.republish import republish, rollback
from models_store.store import ArtifactCorrupt, ArtifactMissing, SchemaTooNew, StoreError
from tests import fakes


def publish(root: Path, content: bytes, name: str = "seedlings", card: str = "") -> Path:
    describe = functools.partial(fakes.manifest, name=name)
    return store.publish(root, content, describe, lambda made: f"# {made.name} {made.version}\n\nIt holds {content!r}.\n{card}", name)


def model(path: Path) -> bytes:
    return store.open_artifact(path).model.read()


def test_rollback_publishes_the_version_before_as_the_next_one(tmp_path: Path) -> None:
    _, second, _ = (publish(tmp_path, content) for content in (b"one", b"two", b"three"))
    fourth = rollback(tmp_path, "seedlings")
    assert fourth == tmp_path / "seedlings" / "4"
    assert model(fourth) == b"two"
    before, after = store.verify(second), store.verify(fourth)
    assert after == before.model_copy(update={"version": 4})
    today = datetime.datetime.now(datetime.UTC).date()
    assert (fourth / store.CARD).read_text() == (
        f"# seedlings 4\n\nThe files of seedlings 2, unchanged. It goes back from version 3, on {today}.\n\nIt holds b'two'.\n"
    )


def test_going_back_twice_does_not_come_forward_again(tmp_path: Path) -> None:
    for content in (b"one", b"two", b"three"):
        publish(tmp_path, content)
    assert [model(rollback(tmp_path, "seedlings")) for _ in range(2)] == [b"two", b"one"]
    with pytest.raises(ArtifactMissing, match="no version before the files of version 5"):
        rollback(tmp_path, "seedlings")
    assert model(rollback(tmp_path, "seedlings", to=3)) == b"three"


def test_rollback_of_new_thresholds_goes_to_the_ones_before(tmp_path: Path) -> None:
    """A recalibrated version has the model.pt of the one before."""
    for content in (b"one", b"two"):
        publish(tmp_path, content)

    def recalibrated(*told: object) -> fakes.Manifest:
        made = fakes.manifest(*told)
        calibration = made.calibration.model_copy(update={"temperature": 9.0})
        return made.model_copy(update={"calibration": calibration, "created": made.created + datetime.timedelta(days=1)})

    store.publish(tmp_path, b"two", recalibrated, lambda _: "", "seedlings")
    fourth = rollback(tmp_path, "seedlings")
    assert model(fourth) == b"two"
    assert store.verify(fourth).calibration == store.verify(tmp_path / "seedlings" / "2").calibration
    assert model(rollback(tmp_path, "seedlings")) == b"one"


def test_rollback_leaves_a_version_that_cannot_be_read(tmp_path: Path) -> None:
    publish(tmp_path, b"one")
    (publish(tmp_path, b"two") / store.MANIFEST).write_text("{")
    assert model(rollback(tmp_path, "seedlings")) == b"one"


def test_what_is_damaged_is_not_published_again(tmp_path: Path) -> None:
    first = publish(tmp_path, b"one")
    publish(tmp_path, b"two")
    (first / store.MODEL).write_bytes(b"0ne")
    with pytest.raises(ArtifactCorrupt, match=str(first)):
        rollback(tmp_path, "seedlings")
    assert store.versions(tmp_path, "seedlings") == [1, 2]


@pytest.mark.parametrize(("to", "told"), [(2, "newest version already"), (7, "no version 7; it has 1, 2")])
def test_there_has_to_be_a_version_to_go_back_to(tmp_path: Path, to: int, told: str) -> None:
    publish(tmp_path, b"one")
    publish(tmp_path, b"two")
    with pytest.raises(StoreError, match=told):
        rollback(tmp_path, "seedlings", to)


def test_what_was_made_elsewhere_is_published_under_a_name_of_its_own(tmp_path: Path) -> None:
    source = publish(tmp_path / "elsewhere", b"one")
    publish(tmp_path / "here", b"other", "mine")
    path = republish(tmp_path / "here", source, "mine")
    manifest = store.verify(path)
    assert (path, manifest.name, manifest.version) == (tmp_path / "here" / "mine" / "2", "mine", 2)
    assert (
        (path / store.CARD).read_text().startswith("# mine 2\n\nThe files of seedlings 1, unchanged. It was published into this store on ")
    )


def test_a_folder_of_any_name_and_without_a_card_is_published(tmp_path: Path) -> None:
    source = publish(tmp_path / "elsewhere", b"one").rename(tmp_path / "received")
    (source / store.CARD).unlink()
    assert model(republish(tmp_path, source, "seedlings")) == b"one"


def test_files_beside_the_model_come_along(tmp_path: Path) -> None:
    graph = b"another form of it"

    def describe(version: int, sha256: str, size_bytes: int) -> fakes.Manifest:
        made = fakes.manifest(version, sha256, size_bytes)
        return made.model_copy(update={"files": {**made.files, "model.onnx": hashlib.sha256(graph).hexdigest()}})

    source = store.publish(tmp_path, b"one", describe, lambda _: "", "seedlings", {"model.onnx": graph})
    path = republish(tmp_path, source, "seedlings")
    assert (path / "model.onnx").read_bytes() == graph
    (source / "model.onnx").unlink()
    with pytest.raises(ArtifactMissing, match=r"model\.onnx"):
        republish(tmp_path, source, "seedlings")


def test_what_a_newer_release_wrote_is_left_to_it(tmp_path: Path) -> None:
    def describe(*told: object) -> fakes.Manifest:
        return fakes.manifest(*told).model_copy(update={"schema_version": 99})

    source = store.publish(tmp_path, b"one", describe, lambda _: "", "seedlings")
    with pytest.raises(SchemaTooNew, match="newer one"):
        republish(tmp_path, source, "seedlings")


@pytest.mark.parametrize("name", ["..", "a/b", "", ".hidden", "a\n"])
def test_a_name_is_no_path(tmp_path: Path, name: str) -> None:
    source = publish(tmp_path / "elsewhere", b"one")
    with pytest.raises(StoreError, match="cannot be a model's name"):
        republish(tmp_path / "store", source, name)
    assert not (tmp_path / "store").exists()


def test_a_model_for_another_task_keeps_its_name(tmp_path: Path) -> None:
    fakes.publish(tmp_path)
    with pytest.raises(StoreError, match="holds a model for classification, this one is for segmentation"):
        republish(tmp_path, fakes.publish_segmenter(tmp_path), "seedlings")
    assert store.versions(tmp_path, "seedlings") == [1]
