"""Files that are whole or absent."""

import json
import os

import pytest

from training.atomic_files import need_space, write_atomically, write_json
from training.errors import DiskError


def test_a_file_is_written_with_the_folders_that_it_needs(tmp_path):
    file = tmp_path / "new" / "folder" / "file.json"
    write_json(file, {"species": "Wehrloser Schwingel ü"})
    assert json.loads(file.read_text(encoding="utf-8")) == {"species": "Wehrloser Schwingel ü"}
    assert file.stat().st_mode & 0o777 == 0o644  # read by other users too
    assert os.listdir(file.parent) == ["file.json"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device"), RuntimeError("unexpected pos 64\nmore")])
def test_what_fails_half_way_leaves_the_older_file(tmp_path, error):
    file = tmp_path / "file"
    file.write_bytes(b"old")

    def write(stream):
        stream.write(b"ne")
        raise error

    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else DiskError):
        write_atomically(file, write)
    assert os.listdir(tmp_path) == ["file"]
    assert file.read_bytes() == b"old"


def test_a_full_disk_is_named_with_what_to_do(tmp_path):
    def write(_):
        raise OSError(28, "No space left on device")

    with pytest.raises(DiskError, match=r"file cannot be written \(No space left on device\); free space or give write access"):
        write_atomically(tmp_path / "file", write)


def test_space_is_looked_for_where_the_folder_will_be(tmp_path):
    need_space(tmp_path / "not" / "there", 1)
    with pytest.raises(DiskError, match=r"not/there needs 1000000000000 MB, .* free; free space or choose another folder"):
        need_space(tmp_path / "not" / "there", 10**18)
