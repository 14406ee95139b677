"""The identity of a run comes back from a manifest as it went in."""

import pytest

from models_store import store
from tests import fakes
from training.errors import RunError
from training.fitting.run_identity import Identity
from training.recipe import Recipe


@pytest.fixture
def identity():
    return Identity(
        recipe_name="recipes/mine.toml",
        recipe=Recipe(network="tiny", epochs=2, seed=3),
        species=list(fakes.NAMES),
        split_digest="abc",
        images={"train": 6, "validation": 2, "test": 2},
        left_out={"test": 1},
        unknown_origins=["e/1"],
        averaged=["a@1"],
        teachers=["b@2"],
        backgrounds=["c@3"],
        segmenter="d@4",
        device="CPU, 2 threads",
        precision="32-true",
        torch_version="2.14.1",
    )


def test_a_manifest_holds_all_that_tells_a_run(identity):
    manifest = fakes.manifest().model_copy(update={"training": identity.in_manifest(parameters=7, epoch=2)})
    assert Identity.of_manifest(manifest) == identity
    assert (manifest.training.network, manifest.training.parameters, manifest.training.epoch) == ("tiny", 7, 2)


def test_the_manifest_of_a_shipped_version_tells_its_run():
    identity = Identity.of_manifest(store.read_manifest(store.SHIPPED_STORE / "seedlings" / "3"))
    assert identity.name == "seedlings-2.base.0"
    assert (identity.recipe.start, identity.recipe.split, len(identity.species)) == ("seedlings/1", "report", 12)
    with pytest.raises(RunError, match=r"seedlings/1: training\.recipe: recipe_name: Field required"):
        Identity.of_manifest(fakes.manifest())


def test_a_result_is_named_by_recipe_network_and_seed(identity):
    assert identity.name == "mine.tiny.3"


def test_no_record_tells_in_which_folder_a_recipe_lay(identity):
    manifest = fakes.manifest().model_copy(update={"training": identity.in_manifest(parameters=7, epoch=2)})
    assert manifest.training.recipe["name"] == identity.recipe_name == "mine"
    assert Identity.model_validate_json(identity.model_dump_json().replace('"mine"', '"/home/ada/mine.toml"')).recipe_name == "mine"
