"""Another version is shown a share of the images: what it makes of them is counted, and nothing of it reaches an answer."""

import contextlib
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.processes import descendants
from models_store import pixels, store
from models_store.pixels import Crop
from models_store.store import SHIPPED_STORE
from service.inference import engine
from service.inference.predictor import Prediction
from service.inference.shadow import MAX_WAITING, MAX_WAITING_BYTES, Shadow
from service.settings import Settings
from tests import drawn, fakes
from tests.service.conftest import PATIENCE_S, Running, Start
from tests.service.test_main import alone, process, wait_ready

RED = (200, 40, 10)


def until(condition: Callable[[], object], what: str, pause_s: float = 0.01) -> None:
    end = time.monotonic() + 3 * PATIENCE_S  # its process comes last of all
    while not condition():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(pause_s)


def shadows_of(process: int) -> list[int]:
    """The ids of the processes that a process, or a worker of it, started for a shadow."""
    found = []
    for one in descendants(process):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if b"shadow_process" in Path(f"/proc/{one}/cmdline").read_bytes():
                found.append(one)
    return found


def process_of_the_shadow() -> int:
    (found,) = shadows_of(os.getpid())
    return found


def let_run(shadows: list[int]) -> None:
    """Let loaded shadows run as other processes do: where tests want all cores, a shadow gets next to nothing of them."""
    for one in shadows:
        with contextlib.suppress(PermissionError):  # then it takes as long as it takes
            os.sched_setscheduler(one, os.SCHED_OTHER, os.sched_param(0))
            os.setpriority(os.PRIO_PROCESS, one, os.getpriority(os.PRIO_PROCESS, 0))


class Loaded:
    """A model in service, as far as a shadow looks at it."""

    explainable = False

    def __init__(self, version: int = 1, size: int = fakes.SIZE) -> None:
        self.version, self.size, self.manifest = str(version), size, fakes.manifest(version)


def answered(colour: tuple[int, int, int] = RED, model: Loaded | None = None) -> Prediction:
    crop = Crop(0, 0, fakes.SIZE, fakes.SIZE)
    return Prediction(model or Loaded(), fakes.shares(colour).astype(np.float32), None, 0, 0, 0, 1, crop)  # type: ignore[arg-type]


def planes(colour: tuple[int, int, int] = RED) -> np.ndarray:
    return np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (3, fakes.SIZE, fakes.SIZE))


class Compares:
    """A shadow that says when it may work, and what it reported."""

    def __init__(self, root: Path) -> None:
        self.busy, self.drawn, self.reports = False, 0.0, []
        settings = Settings(store=root, shadow=2, shadow_share=0.25, poll_s=0.1)
        self.shadow = Shadow(
            settings,
            busy=lambda: self.busy,
            report=lambda *report: self.reports.append(report),
            draw=lambda: self.drawn,
            pauses_s=(0.1, 1),
        )
        self.shadow.start()
        self.wait_until_it_compares()

    def wait_until_it_compares(self) -> None:
        until(lambda: self.shadow.loaded == "2", "the shadow is loaded")


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compares]:
    root = tmp_path_factory.mktemp("store")
    fakes.publish(root, fakes.Shares)
    fakes.publish(root, fakes.Halves)
    compares = Compares(root)
    let_run(shadows_of(os.getpid()))
    yield compares
    compares.shadow.close()


@pytest.fixture
def compares(halves: Compares) -> Compares:
    """With no image before."""
    halves.wait_until_it_compares()
    halves.busy, halves.drawn, halves.reports = False, 0.0, []
    return halves


def test_both_answers_are_compared(compares: Compares) -> None:
    compares.shadow.offer(answered(), planes(), fakes.image())
    until(lambda: compares.reports, "a comparison")
    spoken = [math.exp(8 * value / 255) for value in RED]
    ((version, shadow, outcome, distance),) = compares.reports
    assert (version, shadow, outcome) == ("1", "2", "agreed")
    assert distance == pytest.approx(abs(spoken[0] / sum(spoken) - 200 / 250), abs=1e-5)


def test_a_version_of_another_size_sees_the_photo_itself(compares: Compares) -> None:
    large = Loaded(size=32)
    green = answered(RED, large)  # it was wrong: the photo is green
    compares.shadow.offer(green, np.zeros((3, 32, 32), np.uint8), fakes.image((10, 200, 40)))
    until(lambda: compares.reports, "a comparison")
    assert compares.reports[0][:3] == ("1", "2", "differed")
    compares.shadow.offer(green, np.zeros((3, 32, 32), np.uint8), np.zeros((3, 32, 32), np.uint8))  # of which there is no photo
    assert compares.reports[1] == ("1", "2", "dropped", None)
    compares.shadow.offer(green, np.zeros((3, 32, 32), np.uint8), b"no image")
    until(lambda: len(compares.reports) == 3, "a failure")
    assert compares.reports[2] == ("1", "2", "failed", None)


def test_only_a_share_is_shown(compares: Compares) -> None:
    for compares.drawn in (0.9, 0.25, 0.24):
        compares.shadow.offer(answered(), planes(), b"")
    until(lambda: compares.reports, "a comparison")
    assert len(compares.reports) == 1


def test_what_there_is_no_time_for_is_dropped(compares: Compares) -> None:
    compares.busy = True
    for _ in range(MAX_WAITING + 5):
        compares.shadow.offer(answered(), planes(), b"")
    assert [report[2] for report in compares.reports] == ["dropped"] * 5
    compares.busy = False
    until(lambda: len(compares.reports) == MAX_WAITING + 5, "all were compared")
    assert [report[2] for report in compares.reports[5:]] == ["agreed"] * MAX_WAITING
    compares.busy, compares.reports = True, []
    for _ in range(2):  # files are bounded by their bytes, too
        compares.shadow.offer(answered(RED, Loaded(size=32)), planes(), bytes(MAX_WAITING_BYTES // 2 + 1))
    assert [report[2] for report in compares.reports] == ["dropped"]
    compares.busy = False
    until(lambda: len(compares.reports) == 2, "the other one failed")


def test_each_comparison_names_the_version_that_answered(compares: Compares) -> None:
    for version in (1, 3):
        compares.shadow.offer(answered(model=Loaded(version)), planes(), b"")
    until(lambda: len(compares.reports) == 2, "two comparisons")
    assert [report[0] for report in compares.reports] == ["1", "3"]


@pytest.mark.slow
def test_its_process_may_be_killed(compares: Compares) -> None:
    os.kill(process_of_the_shadow(), signal.SIGKILL)
    until(lambda: "the process of the shadow ended" in str(compares.shadow.error), "it is told")
    compares.shadow.offer(answered(), planes(), b"")  # nobody is there, and nothing happens
    compares.wait_until_it_compares()
    assert compares.shadow.error is None
    nice = os.getpriority(os.PRIO_PROCESS, process_of_the_shadow())
    assert nice == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 19)
    assert os.sched_getscheduler(process_of_the_shadow()) == os.SCHED_IDLE
    let_run(shadows_of(os.getpid()))
    compares.shadow.offer(answered(), planes(), b"")
    until(lambda: compares.reports, "a comparison")


@pytest.mark.slow
def test_comparisons_of_all_workers_are_told_by_each(tmp_path: Path) -> None:
    fakes.publish(tmp_path, fakes.Shares)
    fakes.publish(tmp_path, fakes.Halves)
    variables = {"SEEDLINGS_WORKERS": "2", "SEEDLINGS_VERSION": "1", "SEEDLINGS_SHADOW": "2", "SEEDLINGS_SHADOW_SHARE": "1"}
    with process(tmp_path, **variables) as (running, client):
        pause_s = 0.3  # else the workers are never quiet for a moment, and nothing is compared

        def told() -> list[dict]:
            answers = [alone("GET", f"{client.base_url}/health") for _ in range(8)]  # each worker is asked, nearly surely
            return [answer.json()["shadow"] or {} for answer in answers if answer.status_code == 200]

        wait_ready(client)
        until(lambda: {one.get("status") for one in told()} == {"comparing"}, "both shadows are loaded", pause_s)
        shadows = shadows_of(running.pid)
        assert len(shadows) == 2
        let_run(shadows)

        def compared() -> int:
            """After one more image: a worker that was not asked above may still load its shadow, and count none."""
            assert alone("POST", f"{client.base_url}/predict", fakes.image(RED)).status_code == 200
            return sum(told()[0][name] for name in ("agreed", "dropped"))

        def kinds() -> set[tuple]:
            return {tuple(one[name] for name in ("version", "beside", "agreed", "agreement")) for one in told()}

        until(lambda: compared() >= 10, "ten images", pause_s)
        until(lambda: len(kinds()) == 1, "each worker tells the same", pause_s)
        ((version, beside, agreed, agreement),) = kinds()
    assert (version, beside, agreed > 0, agreement) == ("2", "1", True, 1.0)


@pytest.mark.slow
def test_a_version_that_cannot_be_loaded_harms_nothing(start: Start, publish_in: Callable[..., Path]) -> None:
    publish_in(fakes.Shares)
    bad = publish_in(fakes.Logits)
    service: Running = start(version=1, shadow=2, shadow_share=1)

    def told() -> dict:
        health = service.client.get("/health").json()
        assert (health["status"], health["error"], health["model"]["version"]) == ("ready", None, "1")
        return health["shadow"]

    until(lambda: told()["status"] == "failed", "it is refused")
    assert "does not sum to 1" in told()["error"]
    assert service.client.post("/predict", content=fakes.image(RED)).json()["species"] == "Maize"
    shutil.rmtree(bad)
    publish_in(fakes.Turned)
    until(lambda: told()["status"] == "comparing", "its files are good now")
    answers = [service.client.post("/predict", content=fakes.image(RED)).json() for _ in range(3)]
    assert {(answer["species"], answer["model"]["version"]) for answer in answers} == {("Maize", "1")}
    until(lambda: told()["differed"] == 3, "three comparisons")
    assert {name: told()[name] for name in ("version", "beside", "agreed", "agreement", "dropped", "failed", "error")} == {
        "version": "2",
        "beside": "1",
        "agreed": 0,
        "agreement": 0.0,
        "dropped": 0,
        "failed": 0,
        "error": None,
    }
    metrics = service.client.get("/metrics").text
    assert 'seedlings_shadow_images_total{outcome="differed",shadow="2",version="1"} 3.0' in metrics
    assert 'seedlings_shadow_distance_count{shadow="2",version="1"} 3.0' in metrics
    assert 'seedlings_model_version{model="seedlings"} 1.0' in metrics


@pytest.mark.slow
def test_the_shipped_versions_beside_each_other(start: Start) -> None:
    opened = store.open_artifact(SHIPPED_STORE / "seedlings" / "1")
    before = engine.load(opened, device="cpu", threads=1, batch_size=1)
    service: Running = start(store=SHIPPED_STORE, second_model="none", shadow=1, shadow_share=1)
    until(lambda: service.client.get("/health").json()["shadow"]["status"] == "comparing", "version 1 is loaded")
    same, distance = 0, 0.0
    names = [species.name for species in before.manifest.species]
    for seed in range(4):
        photo = fakes.encoded(drawn.plant(seed, seed))
        answer = service.client.post("/predict", content=photo).json()
        with pixels.opened(photo) as picture:
            (row,), _ = before.predict_batch(picture.square(before.size).pixels[None])
        same += names[int(row.argmax())] == answer["species"]
        distance += abs(float(row[names.index(answer["species"])]) - answer["probability"])
    until(lambda: sum(service.client.get("/health").json()["shadow"][name] for name in ("agreed", "differed")) == 4, "four comparisons")
    assert service.client.get("/health").json()["shadow"]["agreed"] == same
    lines = service.client.get("/metrics").text.splitlines()
    (told,) = [float(line.split()[-1]) for line in lines if line.startswith("seedlings_shadow_distance_sum")]
    assert told == pytest.approx(distance, abs=1e-3)
