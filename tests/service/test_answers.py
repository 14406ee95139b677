"""The answers to real images are what the shipped model says of them, to the last digit."""

from pathlib import Path

import pytest

from models_store import pixels, store
from service.inference import engine
from service.settings import Settings
from tests.service.conftest import serve


@pytest.mark.slow
def test_an_answer_is_the_models_to_the_last_digit(real_images: Path, tmp_path: Path) -> None:
    settings = Settings.model_validate({"store": tmp_path, "runtime": "torchscript", "threads": 1, "max_batch": 1})
    path = store.resolve(store.SHIPPED_STORE, settings.model)
    loaded = engine.load(store.open_artifact(path), device="cpu", threads=1, batch_size=1)
    names = [species.name for species in loaded.manifest.species]
    calibration = loaded.manifest.calibration
    assert calibration.familiarity is not None
    with serve(settings) as running:
        running.wait_ready()
        for folder in sorted(entry for entry in real_images.iterdir() if entry.is_dir()):
            file = sorted(folder.iterdir())[0]
            answer = running.client.post("/predict", content=file.read_bytes()).json()
            (row,), distances = loaded.predict_batch(pixels.decode(file, loaded.size)[None])
            assert distances is not None
            assert answer["probabilities"] == {name: round(float(value), 7) for name, value in zip(names, row, strict=True)}
            assert (answer["species"], answer["probability"]) == (names[row.argmax()], round(float(row.max()), 7))
            assert answer["familiar"] == (distances[0] <= calibration.familiarity.limit)
            assert answer["confident"] == (answer["probability"] >= calibration.confident_from and answer["familiar"])
