"""A model without a threshold is served everywhere, and nothing it says is confident."""

import csv
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.__main__ import main
from tests import fakes
from tests.service.conftest import Running, Start

CERTAIN = (255, 0, 0)  # all of its brightness in one channel: a probability of 1


@pytest.fixture
def service(start: Start, publish_in: Callable[..., Path]) -> Running:
    publish_in(threshold=None, promise=0.95)
    return start()


def test_no_answer_is_confident(service: Running) -> None:
    answer = service.client.post("/predict", content=fakes.image(CERTAIN)).json()
    assert answer["probability"] > 0.999
    assert (answer["confident"], answer["promise"]) == (False, 0.95)
    files = [("files", ("a.png", fakes.image(CERTAIN))), ("files", ("b.png", fakes.image((0, 255, 0))))]
    results = service.client.post("/predict/batch", files=files).json()["results"]
    assert [result["prediction"]["confident"] for result in results] == [False, False]


def test_species_say_why(service: Running) -> None:
    listed = service.client.get("/species").json()
    assert (listed["threshold"], listed["threshold_reason"], listed["promise"]) == (None, fakes.TOO_FEW, 0.95)


def test_the_protocol_and_the_metrics_answer(service: Running) -> None:
    pixels = np.zeros((1, 3, fakes.SIZE, fakes.SIZE), int)
    pixels[0, 0] = 255
    tensor = {"name": "images", "datatype": "UINT8", "shape": list(pixels.shape), "data": pixels.ravel().tolist()}
    answer = service.client.post("/v2/models/seedlings/infer", json={"inputs": [tensor]})
    assert answer.status_code == 200
    probabilities = next(output for output in answer.json()["outputs"] if output["name"] == "probabilities")
    assert probabilities["data"] == pytest.approx(fakes.shares(CERTAIN), abs=1e-6)
    assert 'seedlings_predictions_total{species="Maize"} 1.0' in service.client.get("/metrics").text
    assert service.client.get("/").status_code == 200


def test_the_table_says_no(service: Running, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "red.png").write_bytes(fakes.image(CERTAIN))
    assert main(["predict", str(tmp_path / "red.png"), "--url", str(service.client.base_url), "--format", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out.lstrip("\ufeff")))
    assert (row["species"], row["confident"]) == ("Maize", "no")


def test_a_promise_that_was_not_made_is_absent(start: Start, publish_in: Callable[..., Path]) -> None:
    publish_in()
    answer = start().client.post("/predict", content=fakes.image(CERTAIN)).json()
    assert answer["confident"] is True
    assert "promise" not in answer
