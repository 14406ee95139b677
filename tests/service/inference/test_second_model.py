"""Photos beyond the model in service are answered by a second model of the same species."""

import csv
import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from models_store import store
from models_store.manifest import Familiarity, Manifest
from models_store.pixels import Crop
from service.__main__ import main
from service.cli.detection_output import COLUMNS
from service.inference import engine, second_model
from service.inference.overlay import COLOURS
from service.inference.predictor import Prediction
from service.settings import BadSetting, from_environment
from tests import fakes
from tests.service.conftest import Running, Start

KNOWN, STRANGE = (200, 10, 10), (255, 10, 10)
PLANTS = ((60, 60, 30), (300, 200, 30))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two models that answer unlike each other, and of a segmenter."""
    folder = tmp_path_factory.mktemp("two")
    fakes.publish(folder, fakes.Measured, threshold=0.3)
    fakes.publish(folder, fakes.Turned, "outdoors", threshold=None)
    fakes.publish_segmenter(folder)
    return folder


@pytest.fixture(scope="module")
def service(module_service: Start, root: Path) -> Running:
    running = module_service(store=root, second_model="outdoors")
    running.wait_for(lambda: running.services.segmenters.current, "the segmenter is loaded")
    return running


def photo() -> bytes:
    """Two plants, one of them brighter than all that `Measured` knows."""
    drawn = fakes.field(PLANTS)
    x, y, radius = PLANTS[1]
    ImageDraw.Draw(drawn).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(40, 255, 40))
    return fakes.encoded(drawn)


def test_what_is_unfamiliar_the_second_one_answers(service: Running) -> None:
    known, strange = (service.client.post("/predict", content=fakes.image(colour)).json() for colour in (KNOWN, STRANGE))
    assert (known["model"]["name"], known["species"], known["familiar"]) == ("seedlings", "Maize", True)
    assert (strange["model"]["name"], strange["species"]) == ("outdoors", "Sugar beet")
    assert list(strange["probabilities"].values()) == pytest.approx(np.roll(fakes.shares(STRANGE), 1), abs=1e-4)
    assert (strange["confident"], strange["threshold"], strange["ood_limit"]) == (False, None, None)  # by its own thresholds


class Known:
    """A model that is its manifest: a species is sure from 0.9 on, images are familiar up to a distance of 10."""

    manifest = fakes.manifest(
        threshold=0.9, familiarity=Familiarity(convolution=1, limit=10, limit_rule="fixed", validation_share=1), kind=None, group=None
    )


@pytest.mark.parametrize(
    ("distance", "probability", "beyond"),
    [
        (11, 0.99, True),  # unfamiliar
        (8.6, 0.5, True),  # nearly so, and nothing to rely on
        (8.6, 0.95, False),
        (8.4, 0.5, False),
        (None, 0.5, False),  # a model that measures none
    ],
)
def test_another_model_may_know_better_where_nothing_is_relied_upon_near_the_limit(
    distance: float | None, probability: float, beyond: bool
) -> None:
    shares = np.array([probability, 1 - probability, 0], np.float32)
    model: Any = Known()
    assert Prediction(model, shares, distance, 0, 0, 0, 1, Crop(0, 0, 16, 16)).beyond_it is beyond


def counted(service: Running, metric: str) -> float:
    return float(next(line.split()[-1] for line in service.client.get("/metrics").text.splitlines() if line.startswith(metric)))


def test_health_names_it_and_metrics_count_what_it_was_asked(service: Running) -> None:
    names = ("seedlings_second_model_total", "seedlings_unfamiliar_total")
    before = [counted(service, name) for name in names]
    for colour in (KNOWN, STRANGE, STRANGE):
        service.client.post("/predict", content=fakes.image(colour))
    after = [counted(service, name) for name in names]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 0]  # nothing was unfamiliar to who answered
    found = service.client.get("/health").json()["second_model"]
    assert (found["name"], found["version"], found["runtime"]) == ("outdoors", "1", "torchscript")


def test_plants_of_one_photo_are_named_by_the_same_versions(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = fakes.field(PLANTS)
    for x, y, radius in PLANTS:
        ImageDraw.Draw(drawn).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(40, 255, 40))
    seconds = iter([service.services.second])  # from then on it is withdrawn
    monkeypatch.setattr(service.services.predictor, "second_beside", lambda _: next(seconds, None))
    plants = service.client.post("/detect", content=fakes.encoded(drawn)).json()["plants"]
    assert [plant["model"]["name"] for plant in plants] == ["outdoors", "outdoors"]


def test_ready_is_a_service_that_has_both(root: Path, start: Start) -> None:
    held, load = threading.Event(), engine.load_as_set

    def slowly(opened: store.Opened[Manifest], *rest: Any, **more: Any) -> engine.Engine:
        assert opened.manifest.name == "seedlings" or held.wait(30)
        return load(opened, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "load_as_set", slowly)
        service = start(store=root, second_model="outdoors", ready=False)
        service.wait_for(lambda: service.services.registry.current, "the first model is loaded")
        assert service.client.get("/health").json()["status"] == "loading"
        photo = fakes.image(STRANGE)  # the first one alone would answer it otherwise than the service does, as would a browser
        for early in (service.client.post("/predict", content=photo), *map(service.client.get, ("/species", "/offline/model.json"))):
            assert (early.status_code, early.json()["detail"]) == (503, "the second model is still being loaded")
            assert early.headers["Retry-After"] == "1"
        held.set()
        service.wait_ready()
    assert service.client.post("/predict", content=fakes.image(STRANGE)).json()["model"]["name"] == "outdoors"


def test_the_first_one_once_more_is_a_mistake(root: Path) -> None:
    with pytest.raises(BadSetting, match="SEEDLINGS_SECOND_MODEL: seedlings is the first model already"):
        from_environment({"SEEDLINGS_STORE": str(root), "SEEDLINGS_SECOND_MODEL": "seedlings"})


def test_the_model_for_the_field_beside_seedlings_is_asked_unless_that_is_turned_off(
    start: Start, publish_in: Callable[..., Path], tmp_path: Path
) -> None:
    publish_in(fakes.Measured)
    alone = start()  # a store without it: no second model, and no word about it
    health = alone.client.get("/health").json()
    assert (health["status"], health["second_model"], health["error"]) == ("ready", None, None)
    assert alone.client.post("/predict", content=fakes.image(STRANGE)).json()["familiar"] is False
    fakes.publish(tmp_path, fakes.Turned, "seedlings-field", threshold=None)
    alone.wait_for(lambda: alone.client.get("/health").json()["second_model"], "what was published beside it is in service")
    for service, names in ((start(), ["seedlings-field", "1"]), (start(second_model="none"), None), (start(model="seedlings-field"), None)):
        second = service.client.get("/health").json()["second_model"]
        assert (second and [second["name"], second["version"]]) == names
        known = service.client.get("/species").json()["second_model"]
        assert (known and [*known.values()]) == names


def test_one_that_is_named_and_is_not_there_is_an_error(start: Start, publish_in: Callable[..., Path]) -> None:
    publish_in(fakes.Measured)
    health = start(second_model="roses").client.get("/health").json()
    assert (health["status"], health["second_model"]) == ("ready", None)
    assert "holds no version of roses, but of seedlings; name one in SEEDLINGS_SECOND_MODEL" in health["error"]


def test_each_photo_of_a_batch_by_itself(service: Running) -> None:
    files = [("files", (f"{i}.png", fakes.image(STRANGE if i % 3 else KNOWN))) for i in range(9)]
    results = service.client.post("/predict/batch", files=files).json()["results"]
    assert [result["prediction"]["model"]["name"] for result in results] == ["outdoors" if i % 3 else "seedlings" for i in range(9)]


def test_each_plant_of_a_photo_by_itself(service: Running) -> None:
    found = service.client.post("/detect", content=photo()).json()
    by_place = {plant["box"][0] < 200: plant for plant in found["plants"]}
    assert found["model"] == {"name": "seedlings", "version": "1"}
    assert "model" not in by_place[True]
    assert by_place[False]["model"] == {"name": "outdoors", "version": "1"}
    assert (by_place[True]["species"], by_place[False]["species"]) == ("Sugar beet", "Charlock")


@pytest.mark.parametrize(("known", "first", "second"), [(None, None, 0), (5.0, 5, 5), (0.0, 0, 0)])
def test_a_limit_for_parts_where_nobody_looked_is_none_for_the_first_and_0_for_the_second(
    known: float | None, first: float | None, second: float
) -> None:
    familiarity = Familiarity(convolution=1, limit=10, limit_rule="fixed", validation_share=1, limit_for_parts=known)
    assert [second_model.limit_for_parts(familiarity, second=one) for one in (False, True)] == [first, second]
    assert [second_model.limit_for_parts(None, second=one) for one in (False, True)] == [None, 0]


@pytest.mark.parametrize(
    ("limit", "distance", "of_part", "of_photo"),
    [(5, 4.9, True, True), (5, 5.1, False, True), (0, 0.1, False, True), (None, 9.9, True, True), (None, 10.1, False, False)],
)
def test_a_part_of_a_photo_has_a_limit_of_its_own(limit: float | None, distance: float, of_part: bool, of_photo: bool) -> None:
    familiarity = Familiarity(convolution=1, limit=10, limit_rule="fixed", validation_share=1, limit_for_parts=limit)

    class Limited(Known):
        manifest = fakes.manifest(threshold=0.9, familiarity=familiarity)

    model: Any = Limited()
    for central, relied in ((False, of_part), (True, of_photo)):
        said = Prediction(model, np.array([0.95, 0.05, 0], np.float32), distance, 0, 0, 0, 1, Crop(0, 0, 16, 16), central).relied_upon()
        assert (said is not None) is relied


@pytest.fixture(scope="module")
def for_whole_photos(module_service: Start, tmp_path_factory: pytest.TempPathFactory) -> Running:
    """A service whose second model has thresholds that hold for central squares alone."""
    folder = tmp_path_factory.mktemp("whole")
    fakes.publish(folder, fakes.Measured, threshold=0.3)
    fakes.publish(folder, fakes.Turned, "seedlings-field", threshold=0.3)
    fakes.publish_segmenter(folder)
    service = module_service(store=folder)
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    return service


def test_where_thresholds_hold_for_central_squares_alone_nothing_is_relied_upon_of_a_part(for_whole_photos: Running) -> None:
    drawn = fakes.field(PLANTS[:1])
    ImageDraw.Draw(drawn).ellipse((265, 85, 495, 315), fill=(40, 255, 40))  # beyond the central square, and seen in it
    body = fakes.encoded(drawn)

    def ask(query: str) -> dict[str, Any]:
        return for_whole_photos.client.post(f"/predict{query}", content=body).json()

    whole = ask("")
    assert (whole["model"]["name"], whole["answer"]["name"], whole["confident"]) == ("seedlings-field", whole["species"], True)
    for same in ("?crop=centre", "?crop=0,0,512,384", "?crop=64,0,384,384", "?crop=64.5,0.5,383,383"):
        assert ask(same)["answer"] == pytest.approx(whole["answer"], abs=0.01), same
    for part in ("?crop=auto", "?crop=300,120,160,160", "?crop=66,2,380,380"):
        found = ask(part)
        assert found["model"]["name"] == "seedlings-field", part
        assert (found["answer"], found["confident"]) == (None, False), part
        again = ask(f"?crop={','.join(map(str, found['crop']))}")
        assert again == found, part
    assert ask("?crop=40,40,40,40")["answer"]["name"] == "Sugar beet"  # of the first model, whose thresholds hold there
    detected = for_whole_photos.client.post("/detect?prediction=64,0,384,384", content=body).json()
    assert detected["prediction"] == whole


def test_of_a_box_nothing_is_relied_upon_either(for_whole_photos: Running) -> None:
    service = for_whole_photos
    found = service.client.post("/detect", content=photo()).json()
    (second,) = [plant for plant in found["plants"] if "model" in plant]
    assert (second["model"]["name"], second["species"], second["answer"], second["confident"]) == (
        "seedlings-field",
        "Charlock",
        None,
        False,
    )
    assert "Charlock" not in found["counts"]["species"]
    assert found["counts"]["unknown"] >= 1
    overlay = service.client.post("/detect/overlay", content=photo()).content
    x, y, _, height = second["box"]
    side = np.asarray(Image.open(io.BytesIO(overlay)), np.int16)[y + 5 : y + height - 5, x]
    assert np.abs(np.median(side, 0) - COLOURS[None]).max() < 40  # the colour of neither crop nor weed


def test_a_caller_who_names_a_model_gets_its_answer(service: Running) -> None:
    pixels = np.broadcast_to(np.array(STRANGE, np.uint8)[:, None, None], (1, 3, fakes.SIZE, fakes.SIZE))
    asked = {"name": "images", "shape": list(pixels.shape), "datatype": "UINT8", "data": pixels.ravel().tolist()}
    outputs = {one["name"]: one for one in service.client.post("/v2/models/seedlings/infer", json={"inputs": [asked]}).json()["outputs"]}
    assert (outputs["species"]["data"], outputs["familiar"]["data"]) == (["Maize"], [False])
    other = service.client.post("/v2/models/outdoors/versions/1/infer", json={"inputs": [asked]}).json()
    assert (other["model_name"], other["model_version"]) == ("outdoors", "1")
    assert next(one["data"] for one in other["outputs"] if one["name"] == "species") == ["Sugar beet"]
    assert service.client.get("/v2/models/outdoors/ready").json() == {"name": "outdoors", "ready": True}
    there = "there are 'seedlings', 'seedlings-segmenter' and 'outdoors'"
    assert there in service.client.get("/v2/models/roses").json()["error"]


def test_a_heat_map_is_of_the_model_that_answered(service: Running) -> None:
    def explain(colour: tuple[int, int, int]) -> tuple[int, dict]:
        answer = service.client.post("/explain", content=fakes.image(colour), headers={"Accept": "application/json"})
        return answer.status_code, answer.json()

    status, told = explain(KNOWN)
    assert (status, told["model"]["name"]) == (200, "seedlings")
    assert explain(STRANGE)[0] == 409  # the second one has nothing to draw it from


def test_of_other_species_it_is_asked_nothing_and_health_says_so(start: Start, publish_in: Callable[..., Path], tmp_path: Path) -> None:
    publish_in(fakes.Measured)

    def other_species(version: int, sha256: str, size_bytes: int) -> Manifest:
        known = fakes.manifest(version, sha256, size_bytes, name="outdoors", familiarity=None)
        return known.model_copy(update={"species": known.species[::-1]})

    store.publish(tmp_path, fakes.scripted(fakes.Turned), other_species, lambda _: "# fake\n", "outdoors")
    service = start(second_model="outdoors")
    health = service.client.get("/health").json()
    assert (health["status"], "does not know the species of seedlings 1" in health["error"]) == ("ready", True)
    assert service.client.post("/predict", content=fakes.image(STRANGE)).json()["model"]["name"] == "seedlings"


def test_the_command_line_says_which_model_named_a_plant(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "two.png").write_bytes(photo())
    for name, value in {"STORE": str(root), "THREADS": "1", "SECOND_MODEL": "outdoors"}.items():
        monkeypatch.setenv(f"SEEDLINGS_{name}", value)
    monkeypatch.setattr("service.process.memory.keep_freed", lambda: None)  # it is for the rest of the process
    assert main(["predict", str(tmp_path), "--detect", "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out.removeprefix("\ufeff"))))
    assert tuple(rows[0]) == COLUMNS
    assert sorted(row["model"] for row in rows) == ["outdoors 1", "seedlings 1"]
