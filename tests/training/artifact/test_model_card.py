"""The card says what the manifest says, and nothing more."""

import pytest

from models_store import store
from models_store.manifest import AnswerFigures, ElsewhereFigures, Familiarity, OodFigures, RankThreshold, SpeciesElsewhere
from tests import fakes
from training.artifact import model_card
from training.data.species import describe, known

SHIPPED = [store.SHIPPED_STORE / version for version in ("seedlings/1", "seedlings/3", "seedlings-field/2")]


def card(calibration=None, training=None, **changes):
    """The card of a manifest with changes, as one line."""
    manifest = fakes.manifest()
    recipe = {"name": "mine", "epochs": 9} | (training or {}).pop("recipe", {})
    values = {
        "calibration": manifest.calibration.model_copy(update=calibration or {}),
        "training": manifest.training.model_copy(update={"recipe": recipe, "images": {"train": 3}} | (training or {})),
    }
    return " ".join(model_card.text(manifest.model_copy(update=values | changes)).split())


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_the_shipped_cards_are_their_manifests(folder):
    assert (folder / store.CARD).read_text() == model_card.text(store.read_manifest(folder))


@pytest.mark.parametrize(
    ("start", "said", "unsaid"),
    [
        (None, "trained from scratch by recipe *mine*, seed 0.", "Training began with"),
        ("seedlings/1", "trained by recipe *mine*, seed 0, from the weights of seedlings/1.", "from scratch"),
        ("imagenet", "trained by recipe *mine*, seed 0, from weights learnt on ImageNet.", "from scratch"),
    ],
)
def test_where_the_weights_come_from(start, said, unsaid):
    text = card(training={"recipe": {"start": start}})
    assert said in text
    assert unsaid not in text


def test_a_start_may_have_seen_the_test_images():
    assert "the figures hold as far as seedlings/1 had not learnt from these images" in card(training={"recipe": {"start": "seedlings/1"}})


def test_a_start_is_named_with_its_digest_and_its_terms_go_on():
    made = {"start": "/anywhere/models/seedlings/2", "started_from": "seedlings/2@0123456789ab", "frozen": 0.5, "patience": 3}
    text = card(training={"recipe": made})
    assert "from the weights of seedlings/2@0123456789ab. The first 50% of its convolutions' layers kept these weights" in text
    assert "those that the card of seedlings/2@0123456789ab names. Its terms hold here too." in text
    assert "/anywhere" not in text
    assert "of at most 9, chosen on validation" in text
    assert "the photos of ImageNet; they are published under Apache-2.0." in card(training={"recipe": {"start": "imagenet"}})


def test_what_was_said_when_it_was_published_stands_on_the_card():
    text = card(warnings=["5 test images are <few>"], forced="it guesses")
    assert "**Published by --force, although it guesses.** - 5 test images are &lt;few&gt;" in text


def test_a_promise_is_stated_with_its_certainty():
    text = card({"promise": 0.95, "certainty": 0.95, "validation_coverage": 0.8, "validation_accuracy": 0.97})
    assert "at least 0.95 of the confident ones are right, at 95% certainty" in text
    assert "80.0% of the images are answered with confidence, 97.0% of them rightly." in text
    assert "promise" not in card()  # of schema 1


def test_no_threshold_is_stated_with_its_reason():
    text = card({"threshold": None, "threshold_reason": "26 validation images are too few", "validation_accuracy": None})
    assert 'No answer is "confident": 26 validation images are too few.' in text


@pytest.mark.parametrize(("images", "ours"), [(4580, True), (4581, False)])
def test_own_photos_of_the_same_species_are_not_said_to_be_of_the_data_set(images, ours):
    species = describe(list(known()))
    text = card(training={"images": {"train": images - 100, "test": 100}}, species=species)
    assert ("arXiv:1711.05458" in text) is ours
    assert ("Images of the publisher's own" in text) is not ours


def test_a_species_of_any_name_is_one_cell_of_the_table():
    figures = fakes.manifest().figures
    odd = figures.model_copy(update={"per_species": {"a|b <i>": figures.per_species["Maize"]}})
    assert r"| a\|b &lt;i&gt; | 100.0% | 100.0% | 1.000 | 1 |" in card(figures=odd)


def test_a_species_without_test_images_has_no_figures():
    figures = fakes.manifest().figures
    none = figures.per_species["Maize"].model_copy(update={"precision": 0.0, "recall": 0.0, "f1": 0.0, "n": 0})
    assert "| Beet | – | – | – | 0 |" in card(figures=figures.model_copy(update={"per_species": {**figures.per_species, "Beet": none}}))


def test_what_rolls_up_and_what_was_measured_elsewhere():
    answers = AnswerFigures(
        n=100,
        answered={"species": 60, "kind": 20, "group": 0},
        wrong={"species": 1, "kind": 0, "group": 0},
        crops=30,
        crops_called_weeds=2,
    )
    few = {"threshold": None, "threshold_reason": "too few"}
    kinds = {"kind": RankThreshold(threshold=0.9123), "group": RankThreshold(**few), "validation_answers": answers}
    field = ElsewhereFigures(
        chosen_by=True,
        n=80,
        left_out=3,
        accuracy=0.75,
        accuracy_interval=(0.641, 0.840),
        familiar=0.9,
        confident=0.5,
        confident_accuracy=1.0,
        answers=answers,
        per_species={"Maize": SpeciesElsewhere(n=80, accuracy=0.75, taken_for={"Maize": 60, "Charlock": 20})},
    )
    ood = OodFigures(n=14, auroc=0.9876, fpr95=0.07, unfamiliar=0.93, confident=0.0, answered=0.02)
    figures = fakes.manifest().figures.model_copy(update={"answers": answers})
    text = card(kinds, figures=figures, elsewhere={"my|field": field}, ood={"screens": ood}, recalibrated_from="seedlings/2")
    assert "The kind is answered from a probability of 0.9123 on" in text
    assert "The group is never answered alone: too few." in text
    row = "60.0% (1 wrong) | 20.0% (0 wrong) | 0.0% (0 wrong) | 20.0% | 1 of 80 = 1.2% | 94.2% | 2 of 30 |"
    assert f"| test | 100 | {row}" in text
    assert rf"| my\|field, where the thresholds were chosen | 100 | {row}" in text
    assert r"| my\|field, where the thresholds were chosen | 80 | 75.0% | 64.1% to 84.0% | 90.0% | 50.0% | 100.0% | |" in text
    assert "| – Maize | 80 | 75.0% | | – | – | – | Maize 60, Charlock 20 |" in text
    assert r"3 more of my\|field were learnt from" in text
    assert "| screens | 14 | 0.988 | 7.0% | 93.0% | 2.0% | 0.0% |" in text
    assert "The network is that of seedlings/2, to the byte" in text
    assert "the same reason" in card(kinds | few, figures=figures)
    squares = {"squares": field.model_copy(update={"parts": True})}
    assert f"| squares, parts of photos, where the thresholds were chosen | 100 | {row}" in card(kinds, figures=figures, elsewhere=squares)
    known = Familiarity(convolution=3, limit=9, limit_rule="fixed", validation_share=1)
    for limit, said in ((8.5, "that lies farther than 8.50 nothing"), (0, "that is not its central square nothing"), (None, "")):
        told = card({"familiarity": known.model_copy(update={"limit_for_parts": limit})})
        assert ("Of a part of a photo" in told) is bool(said)
        assert said in told
    assert "AUROC" not in card()
