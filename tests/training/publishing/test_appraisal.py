"""What a version says of photos from elsewhere, and an artifact whose thresholds are found anew."""

import dataclasses
import shutil

import pytest
import torch

from models_store.artifact import Answer
from models_store.learnt import Learnt
from models_store.manifest import Familiarity
from tests import drawn
from training.data import split as splitting
from training.data.species import describe
from training.errors import DataError
from training.fitting.provenance import Provenance
from training.fitting.run_identity import Identity
from training.publishing import appraisal, out_of_distribution
from training.publishing.measured_model import MeasuredModel

LIMIT = Familiarity(convolution=1, limit=1.0, limit_rule="fixed", validation_share=1)


def leaves(pixels):
    """Names the drawn plants by their colour, with less certainty where they are darker; what has little green is far away."""
    green = (pixels[:, 1].float() - pixels[:, 0].float()).amax(dim=(1, 2))  # [N]: the first three species have red 20, 55, 90
    centres = torch.tensor([110.0, 75.0, 40.0])
    return Answer((-(green[:, None] - centres).abs() / 4).softmax(1), torch.where(green > 20, 0.5, 2.0))


@pytest.fixture
def model(images, recipe):
    order = [list(drawn.SPECIES[:3]).index(name) for name in images.species]  # folders are sorted by name

    def answers(pixels):
        probabilities, distances = leaves(pixels)
        return Answer(probabilities[:, order], distances)

    identity = Identity(recipe_name="", recipe=recipe, species=images.species, split_digest="", images={})
    return MeasuredModel("drawn/1", identity, lambda _: Provenance(Learnt.nothing()), describe(images.species), answers)


def appraise(model, images, outside, promise=0.4):  # for which four validation images are enough
    return appraisal.appraise(model, 1.0, LIMIT, images, splitting.of(images), promise=promise, outside=outside)


def test_photos_from_elsewhere_stand_apart(model, images, drawn_folder, tmp_path, cache):
    field = tmp_path / "field"
    shutil.copytree(drawn_folder / "Maize", field / "Maize")
    wrong = tmp_path / "wrong"
    shutil.copytree(drawn_folder / "Maize", wrong / "Charlock")
    outside = appraisal.ExternalFolders(field={"a field": field}, measure={"wrong | names": wrong}, ood={}, cache=cache)
    found = appraise(model, images, outside)
    assert list(found.elsewhere) == ["a field", "wrong | names"]
    right, none = found.elsewhere.values()
    assert (right.chosen_by, right.n, right.accuracy) == (True, 12, pytest.approx(1.0, abs=0.2))
    assert (none.chosen_by, none.n) == (False, 12)
    assert none.per_species["Charlock"].taken_for["Maize"] == round(right.accuracy * 12)
    assert none.answers.wrong["species"] == right.answers.answered["species"] > 0
    assert (right.answers.crops, none.answers.crops) == (12, 0)
    assert (found.calibration.promise, found.calibration.field_promise) == (0.4, 0.4)
    assert found.figures.answers.n == found.figures.n


def test_thresholds_hold_in_the_field_too(model, images, drawn_folder, tmp_path, cache):
    wrong = tmp_path / "wrong"
    shutil.copytree(drawn_folder / "Maize", wrong / "Charlock")
    alone = appraise(model, images, appraisal.NOWHERE)
    assert alone.calibration.threshold is not None
    assert alone.calibration.field_promise is None
    both = appraise(model, images, appraisal.ExternalFolders(field={"field": wrong}, field_promise=0.9, cache=cache))
    assert both.calibration.field_promise == 0.9
    assert both.calibration.threshold is None
    assert "on the 12 field photos too many of the surest answers are wrong for a promise of 0.9" in both.calibration.threshold_reason
    assert both.calibration.group is not None
    assert both.calibration.group.threshold is None  # Charlock is a weed, Maize is none


def test_parts_of_photos_move_no_threshold_and_have_a_limit_of_their_own(model, images, drawn_folder, tmp_path, cache):
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    shutil.copytree(drawn_folder / "Maize", right / "Maize")
    shutil.copytree(drawn_folder / "Maize", wrong / "Charlock")
    field = {"field": right}
    alone = appraise(model, images, appraisal.ExternalFolders(field=field, cache=cache))
    for parts, limit in ((right, 1.0), (wrong, 0.0)):
        found = appraise(model, images, appraisal.ExternalFolders(field=field, field_parts={"squares": parts}, cache=cache))
        assert found.calibration.familiarity == LIMIT.model_copy(update={"limit_for_parts": limit})
        assert found.calibration.threshold == alone.calibration.threshold
        squares = found.elsewhere["squares"]
        assert (squares.chosen_by, squares.parts, squares.n) == (True, True, 12)
        assert (squares.answers.wrong["species"] > 0) is (limit == 0)
        assert found.elsewhere["field"].parts is False
    known = appraise(model, images, appraisal.ExternalFolders(field=field, cache=cache, limit_for_parts=0.5))
    assert known.calibration.familiarity.limit_for_parts == 0.5  # as it was, where nothing tells


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"field": {"mine": "a"}, "field_parts": {"yours": "b"}, "measure": {"others": "b"}},
            "others is the folder of --field-parts yours",
        ),
        ({"field_parts": {"mine": "a"}}, "--field-parts are parts of photos"),
        ({"field": {"mine": "a"}, "field_parts": {"mine": "b"}}, "mine is the name of two folders"),
        ({"field": {"mine": "a"}, "measure": {"mine": "b"}}, "mine is the name of two folders"),
        ({"field": {"mine": "a"}, "measure": {"yours": "b/../a"}}, "--measure yours is the folder of --field mine"),
        ({"measure": {"mine": "a"}, "field_promise": 0.9}, "--field-promise is for the photos of --field"),
    ],
)
def test_what_contradicts_itself_is_refused(given, message, tmp_path):
    (tmp_path / "b").mkdir()
    folders = {
        option: {name: tmp_path / folder for name, folder in value.items()} for option, value in given.items() if option != "field_promise"
    }
    with pytest.raises(DataError, match=message):
        appraisal.ExternalFolders(**folders, field_promise=given.get("field_promise"))


def test_pictures_of_anything_else_by_hand(model, images):
    known = torch.tensor([0.1, 0.2, 0.3, 0.4])
    distances = torch.tensor([0.35, 5.0, 2000.0, 3000.0])

    def answers(pixels):
        return Answer(torch.tensor([[0.9, 0.05, 0.05]]).expand(4, 3), distances)

    calibration = appraise(model, images, appraisal.NOWHERE).calibration.model_copy(update={"threshold": 0.8})
    strange = dataclasses.replace(model, answers=answers, calibration=calibration)
    found = out_of_distribution.on_pictures(strange, known, torch.zeros(4, 3, 150, 150, dtype=torch.uint8))
    assert found.auroc == (3 * 4 + 3) / 16  # of 16 pairs the picture is farther in all but one
    assert found.fpr95 == 0.25  # 0.35 lies within 0.4, the distance that 95% of the known ones keep
    assert (found.n, found.unfamiliar, found.confident, found.answered) == (4, 0.75, 0.25, 0.25)
    with pytest.raises(DataError, match="--ood is for an artifact"):
        out_of_distribution.on_pictures(model, known, torch.zeros(4, 3, 150, 150, dtype=torch.uint8))
