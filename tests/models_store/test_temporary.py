"""What a killed writer left goes away; what a living one writes stays."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from models_store import temporary

ROOT = Path(__file__).parents[2]
WRITER = """
import sys, time
from pathlib import Path
from models_store import temporary
with temporary.file(Path(sys.argv[1]), ".a-") as (descriptor, _), temporary.folder(Path(sys.argv[1]), ".b-") as folder:
    (folder / "x").write_text("x")
    print("writing", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(entry.name[:3] for entry in folder.iterdir())


def clean(folder: Path) -> list[str]:
    for prefix in (".a-", ".b-"):
        temporary.remove_abandoned(folder, prefix)
    return names(folder)


def test_a_living_writer_keeps_its_work_and_a_killed_one_leaves_none(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"writing\n"
        assert clean(tmp_path) == [".a-", ".b-"]
        writer.send_signal(signal.SIGKILL)
    assert names(tmp_path) == [".a-", ".b-"]
    assert clean(tmp_path) == []


def test_folders_of_killed_work_are_removed_when_work_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / ".a-abcd1234").mkdir()
    with temporary.work_folder(".a-") as first, temporary.work_folder(".a-") as second:
        assert {first, second} == set(tmp_path.iterdir())
    assert names(tmp_path) == []


def test_nothing_is_left_without_a_kill_and_what_is_renamed_stays(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), temporary.file(tmp_path, ".a-"), temporary.folder(tmp_path, ".b-"):
        raise RuntimeError
    assert names(tmp_path) == []
    with temporary.file(tmp_path, ".a-") as (descriptor, path), temporary.folder(tmp_path, ".b-") as folder:
        os.write(descriptor, b"whole")
        path.rename(tmp_path / "file")
        folder.rename(tmp_path / "folder")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_bytes() == b"whole"


def test_one_taken_for_left_before_it_was_claimed_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    make = tempfile.mkdtemp

    def make_while_another_cleans(**arguments: object) -> str:
        made.append(make(**arguments))  # type: ignore[call-overload]
        if len(made) < 3:
            temporary.remove_abandoned(tmp_path, ".b-")
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", make_while_another_cleans)
    with temporary.folder(tmp_path, ".b-") as folder:
        assert [str(folder)] == made[2:]
        assert folder.is_dir()
    with pytest.raises(FileNotFoundError), temporary.folder(tmp_path / "gone", ".b-"):
        pass


def test_files_of_a_user_are_none_of_ours(tmp_path: Path) -> None:
    for name in (".a-", ".a-notes", ".a-ABCDEFGH", ".a-abcdefghi", "a-abcdefgh"):
        (tmp_path / name).write_text("mine")
    temporary.remove_abandoned(tmp_path, ".a-")
    assert len(list(tmp_path.iterdir())) == 5
    temporary.remove_abandoned(tmp_path / "gone", ".a-")
