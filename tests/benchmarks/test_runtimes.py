"""What is measured under several runtimes is one network."""

from pathlib import Path

import torch

from benchmarks import runtimes
from benchmarks.processes import shipped
from models_store import store
from training.artifact import published_network, torchscript


def test_the_whole_network_answers_as_its_manifest_says(tmp_path: Path) -> None:
    manifest = store.read_manifest(shipped())
    small = manifest.training.model_copy(update={"network": "lenet", "recipe": {}})
    opened = store.open_artifact(runtimes.whole(manifest.model_copy(update={"training": small}), tmp_path))
    assert opened.manifest.calibration.temperature != 1
    module = torchscript.open_module(opened.model)
    images = torch.randint(0, 256, (2, 3, 150, 150), dtype=torch.uint8)
    again = torchscript.exported(published_network.network_of(opened.manifest, module), opened.manifest.calibration.temperature, None)
    with torch.no_grad():
        torch.testing.assert_close(again.eval()(images), module(images), atol=1e-5, rtol=0)
