"""Measurements of several workers, on a disk that is full from the beginning or becomes so."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.process.metrics import Metrics
from tests import small_disk

ROOT = Path(__file__).parents[3]
WORKER = """
import sys
from pathlib import Path
from service.process.metrics import Metrics
metrics = Metrics(Path(sys.argv[1]))
print("begun", flush=True)
sys.stdin.readline()
for number in range(2000):
    metrics.request(f"/route/{number % 50}", 200, 0.1)
    metrics.prediction(f"species {number % 500}", True)
metrics.loaded("seedlings", 1, "onnxruntime")
text = metrics.render(3).decode()
print(sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("seedlings_requests_total")))
"""


def worker(directory: Path) -> subprocess.Popen[str]:
    directory.mkdir(exist_ok=True)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environ = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(directory)}
    return subprocess.Popen([sys.executable, "-c", WORKER, str(directory)], cwd=ROOT, env=environ, text=True, **pipes)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk.mounted(tmp_path / "disk", 6 * 1024) as folder:
        yield folder


def test_a_disk_that_fills_up_costs_no_measurement(disk: Path) -> None:
    with worker(disk) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        small_disk.fill(disk)
        out, error = running.communicate("go on\n")
    assert (running.returncode, out, error) == (0, "2000.0\n", "")


def test_a_disk_that_is_full_already_costs_the_measurements_alone(disk: Path) -> None:
    filler = small_disk.fill(disk)
    with worker(disk) as running:
        out, error = running.communicate("go on\n")
    assert (running.returncode, out) == (0, "begun\n0\n")
    assert "no room for this worker's measurements (No space left on device)" in error
    assert [file.name for file in disk.iterdir()] == [filler.name]


def test_every_file_has_its_space_from_the_beginning(tmp_path: Path) -> None:
    with worker(tmp_path) as running:
        running.communicate("go on\n")
    files = [file.stat() for file in tmp_path.iterdir()]
    assert len(files) == 4
    assert all(file.st_blocks * 512 >= file.st_size == 1 << 20 for file in files)


@pytest.mark.parametrize(
    "spoil", [lambda folder: (folder / "counter_1.db").write_bytes(b"abc"), shutil.rmtree], ids=["a file", "all of it"]
)
def test_what_workers_share_and_cannot_be_read_is_told(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    with worker(tmp_path / "shared") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        spoil(tmp_path / "shared")
        _, error = running.communicate("go on\n")
    assert "NotReady: the folder of the workers' measurements cannot be read" in error
    assert error.rstrip().endswith("restart the service")


def test_what_is_expected_is_that_of_the_version_in_service() -> None:
    metrics = Metrics()
    metrics.expected({"Maize": 0.25, "Charlock": 0.75}, 0.004)
    metrics.expected({"Maize": 1.0}, None)
    metrics.prediction("Maize", True, ood_ratio=0.95)
    text = metrics.render(0).decode()
    assert 'seedlings_expected_share{species="Maize"} 1.0' in text
    assert 'seedlings_expected_share{species="Charlock"} 0.0' in text
    assert "seedlings_expected_unfamiliar_share -1.0" in text
    assert 'seedlings_ood_ratio_bucket{le="0.9"} 0.0' in text
    assert 'seedlings_ood_ratio_bucket{le="1.0"} 1.0' in text


def test_a_species_that_is_called_unknown_or_clump_is_counted_apart() -> None:
    metrics = Metrics()
    for name in ("unknown", "clump"):
        metrics.plants({(name, True): 2, (name, False): 3})
    text = metrics.render(0).decode()
    for name in ("unknown", "clump"):
        assert f'seedlings_plants_total{{species="{name}",unnamed=""}} 2.0' in text
        assert f'seedlings_plants_total{{species="{name}",unnamed="true"}} 3.0' in text


def test_a_model_that_answers_no_more_is_run_by_nothing() -> None:
    metrics = Metrics()
    metrics.loaded("seedlings-field", 2, "torchscript")
    metrics.withdrawn("seedlings-field")
    assert 'seedlings_model_runtime{model="seedlings-field",runtime="torchscript"} 0.0' in metrics.render(0).decode()


def test_comparisons_are_counted_by_version_and_shadow() -> None:
    metrics = Metrics()
    for version, outcome in (("1", "agreed"), ("1", "agreed"), ("1", "differed"), ("2", "agreed")):
        metrics.shadowed(version, "3", outcome, 0.1)
    assert metrics.compared("1", "3") == {"agreed": 2, "differed": 1}
    assert metrics.compared("3", "1") == {}
