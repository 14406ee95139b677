"""Ctrl-C, in processes that are really interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import drawn, terminal
from training import __main__ as training

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
MODULE = ["-m", "training"]
SCRIPT = ["-c", "import sys; from service.cli.console import main; sys.exit(main())", "train"]  # as pip's `seedlings train`
# A lock that its owner takes once more: no signal ends this call, and Python's own threads go on meanwhile, as in a backward pass.
STUCK = """
import ctypes, signal
from models_store import interrupt
signal.signal(signal.SIGINT, lambda *_: None)  # so that it is stuck whenever the signal comes
with interrupt.within_a_second('interrupted; by a test'):
    libc, lock = ctypes.CDLL(None), ctypes.create_string_buffer(256)
    libc.pthread_mutex_lock(lock)
    print("begun", flush=True)
    libc.pthread_mutex_lock(lock)
"""


def begun(arguments, line):
    """A process that has printed `line`."""
    process = subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, cwd=ROOT
    )
    assert process.stdout is not None
    for printed in process.stdout:
        if line in printed:
            return process
    pytest.fail(f"{line!r} was never printed: {process.communicate()[1]}")


def interrupted(process):
    """Seconds until it ended, and what it wrote on stderr; one that does not end is a failure. A busy machine makes none of it sooner."""
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    return time.monotonic() - began, error


@pytest.mark.slow
def test_fit_ends_with_130_and_goes_on(tmp_path):
    data = drawn.folder(tmp_path / "data", images=8)
    (tmp_path / "r.toml").write_text('network = "lenet"\nepochs = 900\nbatch_size = 4\n')
    fit = ["fit", "--recipe", str(tmp_path / "r.toml"), "--data", str(data), "--cache", str(tmp_path / "cache")]
    fit += ["--run", str(tmp_path / "run"), "--device", "cpu"]
    for line, command in (("epoch   2/900", MODULE), ("resuming", SCRIPT)):
        process = begun([*command, *fit], line)
        _, error = interrupted(process)
        assert process.returncode == 130
        assert error.splitlines()[-1].startswith("interrupted; what was finished is kept")
        assert "Traceback" not in error


@pytest.mark.slow
def test_a_terminals_ctrl_c_ends_whatever_a_command_is_at(tmp_path):
    data, cut = drawn.folder(tmp_path / "data", images=8), tmp_path / "cut.pt"
    common = ["--data", str(data), "--cache", str(tmp_path / "cache")]
    commands = {
        "segmenter:": [*MODULE, "segmenter", *common, "--out", str(cut), "--steps", "10000"],
        "epoch 1:": [
            *SCRIPT,
            "sweep",
            "networks",
            "--only",
            "resnet",
            *common,
            "--runs",
            str(tmp_path / "runs"),
            "--results",
            str(tmp_path / "results"),
        ],
    }
    for sign, command in commands.items():
        with terminal.opened([sys.executable, *command], ENVIRONMENT, ROOT) as opened:
            opened.wait_for(sign)
            opened.type("\x03")
            assert (opened.ended(), "interrupted; what was finished is kept" in opened.text) == (130, True), opened.text
            assert "Traceback" not in opened.text


def test_a_computation_that_python_cannot_interrupt_ends_too():
    process = begun(["-c", STUCK], "begun")
    seconds, error = interrupted(process)
    assert process.returncode == 130
    assert error == "interrupted; by a test\n"
    assert seconds > 0.2  # Python had its chance first


def test_what_was_there_before_is_there_again():
    from models_store import interrupt

    with interrupt.within_a_second():
        pass
    assert signal.set_wakeup_fd(-1) == -1
    with pytest.raises(KeyboardInterrupt), interrupt.within_a_second():
        signal.raise_signal(signal.SIGINT)


def test_what_a_library_raises_in_its_place_is_an_interrupt():
    from models_store import interrupt

    def interrupted_import():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            time.sleep(0.1)  # for the thread that watches
            raise ImportError("cannot import") from None

    with pytest.raises(KeyboardInterrupt), interrupt.within_a_second():
        interrupted_import()


def test_help_does_not_wait_for_torch():
    look = "import sys\nfrom training.__main__ import parser\nparser()\nsys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look], env=ENVIRONMENT, check=False).returncode == 0


def test_only_commands_that_keep_something_say_that_they_go_on():
    def said(*arguments):
        return training.interrupted(training.parser().parse_args(arguments))

    assert said("fit", "--data", "photos", "--run", "runs/mine").endswith("the same command goes on from there")
    assert said("adapt", "--database", "sqlite:///c.db", "--data", "photos", "--store", "models", "--run", "runs/mine").endswith(
        "goes on from there"
    )
    assert said("adapt", "--database", "sqlite:///c.db", "--data", "photos", "--store", "models").endswith("begins anew")
    assert said("evaluate", "--run", "runs/mine", "--images", "photos").endswith("the same command begins anew")
    assert said("data", "check", "photos").endswith("the same command begins anew")
