"""Who trains into a folder, or into a file, trains there alone."""

import os
import signal
import subprocess
import sys

import pytest

from training.errors import DiskError, RunError
from training.fitting import write_lock


def test_one_process_at_a_time_trains_into_a_folder(tmp_path):
    folder = tmp_path / "runs" / "one"
    with write_lock.of_run(folder):
        with pytest.raises(RunError, match=r"another process is training into .*one; wait for it"), write_lock.of_run(folder):
            pytest.fail("two writers")
        assert folder.is_dir()  # the refused one took nothing away
        (folder / "run.json").write_text("{}")
    with write_lock.of_run(folder):  # the lock ended with its holder
        assert (folder / "run.json").exists()


def test_a_folder_in_which_no_run_began_does_not_stay(tmp_path):
    with pytest.raises(ZeroDivisionError), write_lock.of_run(tmp_path / "one"):
        raise ZeroDivisionError
    assert not (tmp_path / "one").exists()
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"file is a file; give a folder with --run"), write_lock.of_run(tmp_path / "file"):
        pytest.fail("a file is no folder")


def test_one_process_at_a_time_writes_a_file(tmp_path):
    out = tmp_path / "new" / "mine.pt"
    with write_lock.of_file(out):
        with pytest.raises(RunError, match=r"another process is writing .*mine\.pt; wait for it"), write_lock.of_file(out):
            pytest.fail("two writers")
        with write_lock.of_file(out.with_name("other.pt")):  # beside it
            out.write_bytes(b"weights")
    assert [file.name for file in out.parent.iterdir()] == ["mine.pt"]
    with write_lock.of_file(out):
        assert out.read_bytes() == b"weights"


def test_a_killed_writer_holds_no_file(tmp_path):
    out = tmp_path / "mine.pt"
    code = f"""
import time
from pathlib import Path
from training.fitting import write_lock
with write_lock.of_file(Path({str(out)!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match="another process is writing"), write_lock.of_file(out):
            pytest.fail("two writers")
        os.kill(process.pid, signal.SIGKILL)
    with write_lock.of_file(out):
        pass
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_made_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="cannot be made or opened"), write_lock.of_file(tmp_path / "file" / "mine.pt"):
        pytest.fail("a file is no folder")
