"""The narrowest statement that can be relied upon, in every interface that answers."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from service.__main__ import main
from tests import fakes
from tests.service.conftest import Running, Start

SPECIES, KIND, GROUP, NOTHING = (250, 5, 5), (170, 15, 15), (100, 80, 10), (60, 50, 50)  # what is said of each colour


@pytest.fixture(scope="module")
def service(module_service: Start) -> Running:
    return module_service(calibration={"threshold": 0.9, "kind": 0.8, "group": 0.85})


def ask(service: Running, colour: tuple[int, int, int], query: str = "") -> dict:
    return service.client.post(f"/predict{query}", content=fakes.image(colour)).json()


@pytest.mark.parametrize(
    ("colour", "rank", "name", "probability"),
    [(SPECIES, "species", "Maize", 250 / 260), (KIND, "kind", "grass crop", 170 / 200), (GROUP, "group", "crop", 180 / 190)],
)
def test_each_rank(service: Running, colour: tuple[int, int, int], rank: str, name: str, probability: float) -> None:
    answer = ask(service, colour)
    assert answer["answer"] == {"rank": rank, "name": name, "probability": pytest.approx(probability, abs=1e-5)}
    assert answer["confident"] is (rank == "species")
    assert answer["species"] == "Maize"
    assert next(iter(answer)) == "answer"


def test_nothing_can_be_relied_upon(service: Running) -> None:
    answer = ask(service, NOTHING)
    assert (answer["answer"], answer["confident"], answer["species"]) == (None, False, "Maize")


def test_a_caller_may_ask_for_more(service: Running) -> None:
    assert ask(service, SPECIES, "?threshold=0.97")["answer"]["rank"] == "group"  # 255 of 260
    assert ask(service, SPECIES, "?threshold=0.99")["answer"] is None
    assert ask(service, KIND, "?threshold=0.1")["answer"]["rank"] == "kind"


def test_species_tell_the_thresholds(service: Running) -> None:
    listed = service.client.get("/species").json()
    assert listed["thresholds"] == {"species": 0.9, "kind": 0.8, "group": 0.85}
    assert [one["kind"] for one in listed["species"]] == list(fakes.KINDS)


def test_each_photo_of_a_batch(service: Running) -> None:
    files = [("files", (f"{i}.png", fakes.image(colour))) for i, colour in enumerate((SPECIES, KIND, GROUP, NOTHING))]
    results = service.client.post("/predict/batch", files=files).json()["results"]
    answers = [result["prediction"]["answer"] for result in results]
    assert [answer and answer["name"] for answer in answers] == ["Maize", "grass crop", "crop", None]


def test_an_unfamiliar_photo_has_no_answer(start: Start, publish_in: Callable[..., Path]) -> None:
    publish_in(fakes.Measured, threshold=0.5, kind=0.1, group=0.1)
    service = start()
    assert ask(service, (200, 10, 10))["answer"]["name"] == "Maize"
    strange = ask(service, (255, 10, 10))
    assert (strange["familiar"], strange["answer"], strange["confident"]) == (False, None, False)


def test_the_command_line_leads_with_it(service: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = []
    for name, colour in (("a", SPECIES), ("b", KIND), ("c", GROUP), ("d", NOTHING)):
        photos.append(tmp_path / f"{name}.png")
        photos[-1].write_bytes(fakes.image(colour))
    asked = ["predict", *map(str, photos), "--url", str(service.client.base_url)]
    assert main(asked) == 0
    lines = [line.removeprefix(str(photo)).strip() for line, photo in zip(capsys.readouterr().out.splitlines(), photos, strict=True)]
    said = [line.split("  ")[0] for line in lines]
    assert said == ["Maize", "A grass crop, most likely Maize", "A crop, most likely Maize", "Not sure: Maize or Sugar beet"]
    assert [line.split()[-1] for line in lines[:3]] == ["96.2%", "85.0%", "94.7%"]
    assert lines[3] == said[3]  # neither crop nor weed, and no percentage
    assert [" crop " in line.removeprefix(text) for line, text in zip(lines, said, strict=True)] == [True, True, True, False]
    assert main([*asked, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out.lstrip("\ufeff"))))
    assert [(row["answer"], row["answer_rank"]) for row in rows] == [
        ("Maize", "species"),
        ("grass crop", "kind"),
        ("crop", "group"),
        ("", ""),
    ]
    assert float(rows[1]["answer_probability"]) == pytest.approx(0.85, abs=1e-4)
    assert main([*asked, "--format", "json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [result["answer"] and result["answer"]["rank"] for result in results] == ["species", "kind", "group", None]
