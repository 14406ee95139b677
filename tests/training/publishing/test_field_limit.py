"""The limit of the distance is lowered where no threshold would hold in the field."""

import dataclasses

import pytest
import torch

from models_store.manifest import Familiarity, Species
from training.artifact import thresholds
from training.publishing import field_limit
from training.publishing.field_limit import FieldAnswers

SPECIES = [Species(name="a", kind="grass weed", group="weed"), Species(name="b", kind="grass crop", group="crop")]
USUAL = Familiarity(convolution=3, limit=996.0, limit_rule="usual", validation_share=0.996)
DISTANCES = torch.arange(1, 1001).float()  # 1000 validation images


def asked(name, right, distances):
    """Answers of 0.999 to photos of b at these distances, `right` or not."""
    answer = [0.001, 0.999] if right else [0.999, 0.001]
    return FieldAnswers(
        thresholds.held_out(name, torch.tensor([answer] * len(distances)), [SPECIES[1]] * len(distances), None, 0.99), distances
    )


def calibrate(field, validation=DISTANCES, familiarity=USUAL):
    return field_limit.calibrate(1.0, SPECIES, asked("validation images", True, DISTANCES), field, familiarity, validation)


def test_where_thresholds_hold_the_limit_stays():
    assert calibrate([]).familiarity == USUAL
    far = asked("far", False, torch.tensor([996.5, 2000.0]))
    assert calibrate([far]).familiarity == USUAL
    assert calibrate([far]).threshold is not None


@pytest.mark.parametrize(("nearest", "limit"), [(986.5, 986), (986.0, 981), (984.0, 981), (951.5, 951)])
def test_it_is_the_highest_that_leaves_out_what_is_wrong(nearest, limit):
    found = calibrate([asked("wheat", False, torch.tensor([nearest, 990.0]))])
    assert found.threshold is not None
    assert found.familiarity.limit == limit
    assert found.familiarity.validation_share == pytest.approx(found.familiarity.limit / 1000)
    assert f"hold on the field photos, too; {limit / 1000:.1%} of the validation images" in found.familiarity.limit_rule
    assert found.familiarity.convolution == 3
    assert found.validation_answers.answered["species"] == found.familiarity.limit  # what lies beyond is answered no more


def test_what_lies_among_the_validation_images_takes_all_thresholds_and_the_limit_stays():
    found = calibrate([asked("wheat", False, torch.tensor([500.0]))])
    assert (found.threshold, found.familiarity) == (None, USUAL)
    assert "on the 1 field photos too many of the surest answers are wrong" in found.threshold_reason


@pytest.mark.parametrize(("nearest", "limit"), [(986.5, 986), (970.5, 966), (501.5, 501), (500.5, 0)])
def test_parts_of_photos_have_the_highest_limit_that_leaves_out_what_is_wrong(nearest, limit):
    chosen = calibrate([asked("wheat", False, torch.tensor([990.0]))])
    parts = [asked("squares", True, torch.tensor([10.0])), asked("more", False, torch.tensor([nearest, 988.0]))]
    assert chosen.familiarity.limit == 986
    assert field_limit.for_parts(SPECIES, chosen, parts, DISTANCES) == limit
    assert field_limit.with_limit_for_parts(chosen, limit).familiarity == chosen.familiarity.model_copy(update={"limit_for_parts": limit})


def test_without_a_distance_there_is_no_limit_for_parts():
    chosen = calibrate([], familiarity=None)
    assert field_limit.for_parts(SPECIES, chosen, [asked("squares", False, torch.tensor([10.0]))], DISTANCES) is None
    assert field_limit.with_limit_for_parts(chosen, 5.0) == chosen


def test_without_a_distance_nothing_is_lowered():
    wrong = asked("wheat", False, torch.tensor([990.0]))
    assert calibrate([wrong], familiarity=None).threshold is None
    assert calibrate([dataclasses.replace(wrong, distances=None)], validation=None).threshold is None
