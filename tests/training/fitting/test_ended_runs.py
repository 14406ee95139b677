"""A run that is killed while it writes, or whose disk is full, loses no finished epoch, and goes on to the same end."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import small_disk
from training.fitting import run_folder

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tests" / "training" / "fitting" / "ended_runs.py"
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def ended(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, bufsize=1
    )


@pytest.mark.slow
def test_a_kill_before_a_step_of_writing_costs_nothing_that_was_finished(tmp_path):
    with ended("killed", tmp_path) as process:
        out, error = process.communicate()
    assert process.returncode == 0, error
    assert int(out.splitlines()[-1]) >= 12  # two steps for each of run.json, learnt.npy, best.pt, last.pt, metrics.csv, run.json


@pytest.mark.slow
def test_a_disk_that_fills_up_is_told_and_the_run_goes_on_when_there_is_room(tmp_path):
    with small_disk.mounted(tmp_path / "run", 2000) as folder, ended("fit", tmp_path, 15) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("begin\n")
        while not (folder / run_folder.METRICS).exists() and process.poll() is None:
            time.sleep(0.005)
        filler = small_disk.fill(folder)
        lines = iter(process.stdout.readline, "")
        assert next(line for line in lines if line in ("full\n", "done\n")) == "full\n"
        assert not [file.name for file in folder.iterdir() if file.name.startswith(".")]
        done = run_folder.load_weights(folder / run_folder.LAST)["epoch"]
        assert 1 <= done < 15
        filler.unlink()
        out, error = process.communicate("go on\n")
        assert process.returncode == 0, error
        assert error.count("\n") == 1
        assert "cannot be written (No space left on device); free space" in error
        assert f"after epoch {done} of 15" in out
        assert out.endswith("done\n")
        assert run_folder.read_description(folder).finished
