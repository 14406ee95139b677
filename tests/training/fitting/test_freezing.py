"""What is frozen stays as the start had it, and the rest learns."""

import pytest
import torch

from training.fitting import run_folder
from training.fitting.loop import fit


@pytest.mark.parametrize(("frozen", "fixed_norms"), [(0.5, False), (1.0, False), (0.0, True)])
def test_what_is_frozen_stays(fabric, recipe, images, parts, published, learnt, tmp_path, frozen, fixed_norms):
    changes = {"start": str(published), "frozen": frozen, "fixed_norms": fixed_norms, "epochs": 1, "ema_decay": 0.0}
    fit(fabric, recipe.model_copy(update=changes), "test", images, parts, tmp_path / "run")
    before, after = (run_folder.load_best(folder)[1] for folder in (learnt, tmp_path / "run"))
    same = {
        name: torch.equal(tensor, after.state_dict()[name])
        for name, tensor in before.state_dict().items()
        if "num_batches" not in name  # the published form does not keep it
    }
    # The network's convolutions are a norm, a convolution, two layers without weights, a convolution, one without.
    statistics = {"convolutions.0.running_mean", "convolutions.0.running_var"}
    first = {"convolutions.0.weight", "convolutions.0.bias", "convolutions.1.weight", "convolutions.1.bias", *statistics}
    kept = {0.5: first, 1.0: first | {"convolutions.4.weight", "convolutions.4.bias"}, 0.0: statistics}[frozen]
    assert {name for name, equal in same.items() if equal} == kept
