"""Both schemas are read, what a newer release adds is ignored, and what would be misread is refused."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from models_store import store
from models_store.manifest import MIN_READER_SCHEMA, MODEL, RANKS, SCHEMA_VERSION, Calibration, Manifest, RankThreshold
from tests import fakes

OF_SCHEMA_1 = store.SHIPPED_STORE / "seedlings" / "1"


def document(**changes: Any) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(fakes.manifest().model_dump_json())
    return written | changes


def calibration(**changes: Any) -> dict[str, Any]:
    written: dict[str, Any] = document()["calibration"]
    return written | changes


def test_schema_1_is_read() -> None:
    written = json.loads((OF_SCHEMA_1 / store.MANIFEST).read_text())
    assert written["schema_version"] == 1
    manifest = store.verify(OF_SCHEMA_1)
    assert manifest.files == {MODEL: written["sha256"]}
    assert manifest.sha256 == written["sha256"]
    assert manifest.task == "classification"
    assert manifest.calibration.threshold == manifest.calibration.confident_from
    assert manifest.calibration.threshold == pytest.approx(written["calibration"]["threshold"], abs=1e-15)
    assert manifest.calibration.promise is None  # it was a share of the validation answers, not a bound
    assert {one.name: one.kind for one in manifest.species if one.name in ("Maize", "Black-grass", "Sugar beet")} == {
        "Maize": "grass crop",
        "Black-grass": "grass weed",
        "Sugar beet": "broadleaf crop",
    }
    assert (manifest.calibration.kind, manifest.calibration.group) == (None, None)
    assert [manifest.calibration.threshold_of(rank) for rank in RANKS] == [manifest.calibration.threshold, None, None]


def test_schema_1_is_written_anew_as_what_it_became() -> None:
    manifest = store.read_manifest(OF_SCHEMA_1)
    written = json.loads(manifest.model_dump_json())
    assert (written["schema_version"], written["min_reader_schema"]) == (SCHEMA_VERSION, MIN_READER_SCHEMA)
    assert "sha256" not in written
    assert Manifest.model_validate(written) == manifest


def test_what_a_newer_release_adds_is_ignored() -> None:
    newer = document(schema_version=SCHEMA_VERSION + 7, min_reader_schema=SCHEMA_VERSION, colour="green", calibration=calibration(extra=1))
    newer["species"][0]["height_m"] = 2
    assert Manifest.model_validate(newer).model_copy(update={"schema_version": SCHEMA_VERSION}) == fakes.manifest()


@pytest.mark.parametrize(
    ("schema", "refused"),
    [
        ({"schema_version": 3, "min_reader_schema": 2}, False),
        ({"schema_version": 3, "min_reader_schema": 3}, True),
        ({"schema_version": 3}, True),  # says nothing of who reads it
        ({"schema_version": 2}, False),
    ],
)
def test_only_a_schema_that_asks_for_a_newer_reader_is_refused(tmp_path: Path, schema: dict[str, int], refused: bool) -> None:
    folder = fakes.publish(tmp_path)
    file = folder / store.MANIFEST
    written = json.loads(file.read_text())
    del written["min_reader_schema"]
    file.write_text(json.dumps(written | schema))
    if refused:
        with pytest.raises(store.SchemaTooNew, match=r"manifest\.json has schema 3, .*; upgrade the service"):
            store.verify(folder)
    else:
        store.verify(folder)


def test_every_file_named_is_verified(tmp_path: Path) -> None:
    folder = fakes.publish(tmp_path)
    file = folder / store.MANIFEST
    written = json.loads(file.read_text())
    written["files"]["model.onnx"] = "75c9cb61c27ceecc1e3136d96b5a5b5b9deb9aa6c1a7d8dca0c5b1d0d1cc9ce5"
    file.write_text(json.dumps(written))
    with pytest.raises(store.ArtifactMissing, match=r"model\.onnx is missing"):
        store.verify(folder)
    (folder / "model.onnx").write_bytes(b"altered")
    with pytest.raises(store.ArtifactCorrupt, match=r"model\.onnx does not have the SHA-256"):
        store.verify(folder)
    assert store.open_artifact(folder).manifest.task == "classification"  # what serves model.pt reads no other file


@pytest.mark.parametrize("files", [{}, {"model.onnx": "0" * 64}, {MODEL: "0"}, {MODEL: "0" * 64, "../model.pt": "0" * 64}])
def test_files_lie_in_the_folder_and_the_model_is_one_of_them(files: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="files"):
        Manifest.model_validate(document(files=files))


def test_no_threshold_has_a_reason_and_no_probability_reaches_it() -> None:
    none = Calibration.model_validate(calibration(threshold=None, threshold_reason="too few images"))
    assert none.confident_from == math.inf
    for changes in (
        {"threshold": None},
        {"threshold": 0.9, "threshold_reason": "too few images"},
        {"kind": {"threshold": None}},
        {"group": {"threshold": 0.9, "threshold_reason": "too few images"}},
    ):
        with pytest.raises(ValidationError, match="threshold_reason"):
            Calibration.model_validate(calibration(**changes))


def test_a_threshold_has_no_tail_of_digits() -> None:
    assert RankThreshold(threshold=0.9774685999999999).model_dump_json(exclude_none=True) == '{"threshold":0.9774686}'
