"""What the tests of commands share: a data folder, a finished run, and the version that it was published as."""

import functools
import shutil

import pytest

from tests import drawn
from training.__main__ import main
from training.evaluation import synthetic_ood

RECIPE = """
network = "tiny"
epochs = 20
batch_size = 16
ema_decay = 0.8
label_smoothing = 0.0
[optimizer]
learning_rate = 5e-3
[augment]
enabled = false # it takes most of the time, and drawn species are told without
"""

_draw = synthetic_ood.draw


@pytest.fixture(scope="module", autouse=True)
def drawn_once():
    """Of the hundreds of pictures of anything else that `evaluate` asks about two of each kind are drawn, once, not for each call."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic_ood, "draw", functools.cache(lambda _, seed: _draw(2, seed)))
        yield


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """3 species × 24 drawn images; not to be written to."""
    return drawn.folder(tmp_path_factory.mktemp("commands") / "data", images=24)


@pytest.fixture
def run_command(folder, cache, tmp_path):
    """Call a command on that folder; `fit` with the recipe in `tmp_path / "tiny.toml"`."""
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)

    def call(command, *options):
        given = {"fit": ["--recipe", str(recipe), "--device", "cpu"]}.get(command, [])
        return main([command, *given, "--data", str(folder), "--cache", str(cache), *map(str, options)])

    return call


@pytest.fixture(scope="session")
def finished(folder, cache, tmp_path_factory):
    """A folder with a finished run of RECIPE, `run`, and the store that it was exported into; not to be written to."""
    root = tmp_path_factory.mktemp("finished")
    (root / "tiny.toml").write_text(RECIPE)
    common = ["--data", str(folder), "--cache", str(cache), "--run", str(root / "run")]
    assert main(["fit", "--recipe", str(root / "tiny.toml"), "--device", "cpu", *common]) == 0
    assert main(["export", "--store", str(root / "store"), *common]) == 0
    return root


@pytest.fixture
def trained(finished, tmp_path):
    """A finished run of the test's own."""
    return shutil.copytree(finished / "run", tmp_path / "run")


@pytest.fixture
def published(finished, tmp_path):
    """The version that the run was exported as, of the test's own."""
    shutil.copytree(finished / "store", tmp_path / "store")
    return tmp_path / "store" / "seedlings" / "1"
