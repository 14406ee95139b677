"""Errors of the store reach the command line as errors of training, word for word."""

import pytest

from models_store import store
from training.artifact.store_errors import as_training_errors
from training.errors import DiskError, TrainingError


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(TrainingError, match=r"manifest\.json is missing") as caught, as_training_errors():
        store.read_manifest(tmp_path)
    assert type(caught.value) is TrainingError


def test_what_cannot_be_written_is_the_disks_fault(tmp_path):
    (tmp_path / "store").write_text("a file where a folder is wanted")
    with pytest.raises(DiskError, match=str(tmp_path)), as_training_errors():
        store.publish(tmp_path / "store", b"", lambda *_: None, lambda _: "", "seedlings")
