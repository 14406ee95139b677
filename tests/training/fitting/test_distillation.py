"""A network that learns from others answers as they do, and never from one that may have seen its test images."""

import pytest
import torch

from training.data import split
from training.errors import RunError
from training.evaluation.predictions import logits
from training.fitting import run_folder
from training.fitting.distillation import Teachers
from training.fitting.loop import fit
from training.recipe import Augment, Distillation

WHOLLY = Distillation(share=1.0)


@pytest.fixture
def teach(fabric, recipe, images, parts, tmp_path):
    """Train a network of a seed. Returns its run folder."""

    def trained(seed=0):
        folder = tmp_path / f"teacher-{seed}"
        fit(fabric, recipe.model_copy(update={"seed": seed}), "teacher", images, parts, folder)
        return folder

    return trained


def answers(folder, pixels):
    return logits(run_folder.load_best(folder)[1], pixels).softmax(1)


def test_answers_are_the_mean_of_the_teachers(teach, images, parts):
    folders = [teach(0), teach(1)]
    pixels = images.pixels[:6]
    taught = Teachers(folders, Distillation(share=0.25), images.species, parts)
    mean = (answers(folders[0], pixels) + answers(folders[1], pixels)) / 2
    assert torch.allclose(taught.answers(pixels.float() / 255), mean, atol=1e-5)
    softer = Teachers(folders[:1], Distillation(share=0.25, temperature=3), images.species, parts)
    outputs = logits(run_folder.load_best(folders[0])[1], pixels)
    assert torch.allclose(softer.answers(pixels.float() / 255), (outputs / 3).softmax(1), atol=1e-5)


def test_the_loss_by_hand(teach, images, parts):
    taught = Teachers([teach()], Distillation(share=0.25, temperature=2), images.species, parts)
    outputs, soft = torch.tensor([[2.0, 0.0, -2.0]]), torch.tensor([[0.5, 0.3, 0.2]])
    # log softmax of (1, 0, -1) is (-0.407606, -1.407606, -2.407606)
    from_teachers = 4 * (0.5 * 0.407606 + 0.3 * 1.407606 + 0.2 * 2.407606)
    kept, moved, by_label = torch.tensor([False]), torch.tensor([True]), torch.tensor([1.0])
    for whose in (kept, moved):
        assert float(taught.loss(outputs, soft, whose, by_label)) == pytest.approx(0.75 + 0.25 * from_teachers, rel=1e-5)


def test_images_on_their_own_background_have_a_share_of_their_own(teach, images, parts):
    taught = Teachers([teach()], Distillation(share=1.0, own_share=0.0), images.species, parts)
    outputs, soft = torch.tensor([[2.0, 0.0, -2.0]] * 2), torch.tensor([[0.5, 0.3, 0.2]] * 2)
    from_teachers = 0.5 * 0.142931 + 0.3 * 2.142931 + 0.2 * 4.142931  # log softmax of (2, 0, -2), by hand
    loss = taught.loss(outputs, soft, torch.tensor([True, False]), torch.tensor([9.0, 3.0]))
    assert float(loss) == pytest.approx((from_teachers + 3) / 2, rel=1e-5)


def test_without_teachers_the_labels_decide(images, parts):
    alone = Teachers([], Distillation(), images.species, parts)
    assert alone.answers(torch.rand(3, 3, 150, 150)) is None
    assert float(alone.loss(torch.rand(3, 3), None, torch.zeros(3, dtype=torch.bool), torch.tensor([0.6, 0.7, 0.8]))) == pytest.approx(0.7)


def test_a_learner_that_never_sees_a_label_learns_its_teachers_answers(teach, fabric, recipe, images, parts, tmp_path):
    teacher, learner = teach(), tmp_path / "learner"
    recipe = recipe.model_copy(
        update={"seed": 5, "epochs": 12, "label_smoothing": 0.0, "distillation": WHOLLY, "augment": Augment(enabled=False)}
    )
    fit(fabric, recipe, "learner", images, parts, learner, [teacher])
    wanted, given = answers(teacher, images.pixels[parts.train]), answers(learner, images.pixels[parts.train])
    labels = torch.eye(3)[images.labels[parts.train]]
    assert (given - wanted).abs().mean() < 0.5 * (given - labels).abs().mean()


def test_a_run_says_who_taught_it_and_does_not_resume_with_another(teach, fabric, recipe, images, parts, tmp_path):
    recipe = recipe.model_copy(update={"distillation": WHOLLY, "epochs": 1})
    first, second = teach(0), teach(1)
    fit(fabric, recipe, "learner", images, parts, tmp_path / "learner", [first])
    [name] = run_folder.read_description(tmp_path / "learner").teachers
    assert name.startswith("teacher.tiny.0@")
    with pytest.raises(RunError, match="begun with another choice of teachers"):
        fit(fabric, recipe, "learner", images, parts, tmp_path / "learner", [second])


def test_recipe_and_teachers_go_together(teach, images, parts):
    with pytest.raises(RunError, match="name their finished runs: --teacher RUN"):
        Teachers([], WHOLLY, images.species, parts)
    with pytest.raises(RunError, match=r"no \[distillation\] share"):
        Teachers([teach()], Distillation(), images.species, parts)


def test_a_teacher_of_another_split_is_refused(teach, fabric, recipe, images, tmp_path):
    recipe = recipe.model_copy(update={"distillation": WHOLLY, "split_seed": 1})
    with pytest.raises(RunError, match="may have seen test images of this one"):
        fit(fabric, recipe, "learner", images, split.of(images, 1), tmp_path / "learner", [teach()])
    assert not (tmp_path / "learner").exists()


def test_a_teacher_of_other_species_is_refused(teach, parts):
    with pytest.raises(RunError, match="knows other species"):
        Teachers([teach()], WHOLLY, ["Oak", "Ash", "Elm"], parts)


def test_a_folder_that_is_no_run_is_named(images, parts, tmp_path):
    with pytest.raises(RunError, match="is no run"):
        Teachers([tmp_path], WHOLLY, images.species, parts)
