"""Runs that end in the middle of things; a script, since it forks, and a process that forks should have no threads.

python ended_runs.py killed FOLDER      kill -9 before every third step of writing; prints how many there are
python ended_runs.py fit FOLDER EPOCHS  one run in FOLDER/run for each line on stdin; prints `full` where the disk is full, else `done`
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import lightning_fabric  # noqa: F401  (and the next one: once, before the forks)
import torch
import torch.utils.tensorboard

from tests import drawn
from tests.training.conftest import Tiny
from training import networks
from training.data import split
from training.data.images import Images, load
from training.errors import DiskError
from training.fitting import run_folder
from training.fitting.fabric import make_fabric
from training.fitting.loop import fit
from training.recipe import Recipe

STRIDE = 3  # steps from one kill to the next: so both kinds, and every file, have theirs


def train(images: Images, folder: Path, epochs: int) -> None:
    recipe = Recipe(network="tiny", epochs=epochs, batch_size=8, ema_decay=0.9, optimizer={"learning_rate": 3e-3})
    fit(make_fabric("cpu", precision="32-true"), recipe, "test", images, split.of(images), folder)


def fit_until_full(images: Images, folder: Path, epochs: int) -> None:
    try:
        train(images, folder, epochs)
        sys.stdout.flush()
    except DiskError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(3)


def in_child(work: Callable[[], None]) -> int:
    """The wait status of a child that does the work."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
            sys.stderr.flush()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def killed_at(step: int, work: Callable[[], None]) -> None:
    """Do the work up to the step of writing with that number: before a file is flushed to the disk, or before it gets its name."""
    left = step

    def counted(wrapped: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            nonlocal left
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1
            return wrapped(*args)

        return call

    os.fsync, os.replace = counted(os.fsync), counted(os.replace)  # type: ignore[assignment]
    work()


def same(a: object, b: object) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a if key != "seconds")
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return torch.equal(a, b) if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) else a == b


def killed(images: Images, root: Path) -> None:
    whole = root / "whole"
    assert in_child(lambda: train(images, whole, 2)) == 0
    step = 0
    while True:
        folder = root / f"killed-{step}"
        status = in_child(lambda: killed_at(step, lambda: train(images, folder, 2)))  # noqa: B023  (the child has ended by then)
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        assert in_child(lambda: train(images, folder, 2)) == 0  # noqa: B023
        for name in (run_folder.LAST, run_folder.BEST):
            assert same(run_folder.load_weights(folder / name), run_folder.load_weights(whole / name)), (step, name)
        assert len(run_folder.read_metrics(folder)) == 2, step
        assert run_folder.is_finished(folder, run_folder.read_description(folder)), step
        assert {file.name for file in folder.iterdir()} == {file.name for file in whole.iterdir()}, step
        step += STRIDE
    sys.stdout.write(f"{step}\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    networks.NETWORKS["tiny"] = Tiny
    what, root = sys.argv[1], Path(sys.argv[2])
    data = root / "data"
    found = load(data if data.exists() else drawn.folder(data), root / "cache")
    if what == "killed":
        killed(found, root)
    else:
        for _ in sys.stdin:
            status = in_child(lambda: fit_until_full(found, root / "run", int(sys.argv[3])))
            sys.stdout.write({0: "done\n", 3: "full\n"}[os.waitstatus_to_exitcode(status)])
            sys.stdout.flush()
