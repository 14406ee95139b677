"""The script for small machines with the models that come with the project."""

import json

import numpy as np
import pytest
import torch

from models_store import pixels
from tests import drawn
from tests.edge.test_predict import run
from training.artifact import torchscript
from training.fitting.warm_start import folder_of
from training.publishing.convert import convert

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("artifact", ["seedlings/2", "seedlings-field/2"])
def test_it_answers_photos_as_model_pt_does(artifact, tmp_path):
    folder = convert(folder_of(artifact), tmp_path / "store", ("onnx",))
    files = [tmp_path / f"{species}.jpg" for species in range(4)]
    for species, file in enumerate(files):
        file.write_bytes(drawn.encoded(drawn.plant(species, 1, 640), "JPEG"))
    done = run(folder, *files)
    assert (done.returncode, done.stderr) == (0, "")
    manifest, module = torchscript.load(folder)
    for file, line in zip(files, done.stdout.splitlines(), strict=True):
        found = json.loads(line)
        images = torch.from_numpy(pixels.decode(file.read_bytes()))[None]
        with torch.inference_mode():
            expected = module(images)[0].numpy()
            distance = float(module.answer(images)[1][0]) if manifest.calibration.familiarity else None
        assert np.abs(expected - [*found["probabilities"].values()]).max() < 1e-4
        assert found["ood_score"] == (None if distance is None else pytest.approx(distance, rel=1e-4))
        assert found["model"] == {"name": artifact.split("/")[0], "version": "1"}
