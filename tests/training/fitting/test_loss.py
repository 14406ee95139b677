"""The checks that would have caught the report's failure, and the failure itself."""

import math

import pytest
import torch

from training import networks, recipe
from training.errors import TrainingError
from training.fitting.loss import adjustment, cross_entropy, refuse_probabilities
from training.fitting.optimizer import build as build_optimizer


def test_a_sure_and_right_answer_costs_nothing():
    labels = torch.arange(12)
    assert cross_entropy(20 * torch.eye(12), labels).max() < 1e-6


def test_with_the_reports_softmax_it_costs_1_6_all_the_same():
    labels = torch.arange(12)
    floor = math.log(1 + 11 / math.e)  # reference: the loss is confined to [1.619, 2.619]
    assert cross_entropy(20 * torch.eye(12), labels, softmax_before_loss=True).tolist() == pytest.approx([floor] * 12, abs=1e-4)
    wrong = cross_entropy(20 * torch.eye(12).roll(1, 1), labels, softmax_before_loss=True)
    assert wrong.tolist() == pytest.approx([floor + 1] * 12, abs=1e-4)


def test_the_doubled_softmax_takes_the_gradient_away():
    outputs = torch.zeros(1, 12, requires_grad=True)
    right = torch.autograd.grad(cross_entropy(outputs, torch.tensor([0])), outputs)[0].norm()
    doubled = torch.autograd.grad(cross_entropy(outputs, torch.tensor([0]), softmax_before_loss=True), outputs)[0].norm()
    assert doubled / right == pytest.approx(1 / 12, rel=1e-3)


def test_rare_species_are_made_up_for():
    """Logits that say nothing: the loss is that of answering each species by its share, and a rare one is pushed up as much as a common."""
    counts = torch.tensor([30, 10, 0])
    assert adjustment(counts, 1.0).tolist() == pytest.approx([math.log(30 / 41), math.log(10 / 41), math.log(1 / 41)])
    assert adjustment(counts, 0.5).tolist() == pytest.approx([0.5 * value for value in adjustment(counts, 1.0).tolist()])
    outputs = torch.zeros(2, requires_grad=True)
    labels = torch.tensor([0] * 30 + [1] * 10)
    adjusted = outputs.expand(40, 2) + adjustment(counts[:2], 1.0)
    assert torch.autograd.grad(cross_entropy(adjusted, labels).mean(), outputs)[0].abs().max() < 1e-7


@pytest.mark.parametrize("name", ["base", "dropout"])
def test_the_loss_is_given_logits(name):
    torch.manual_seed(0)
    outputs = networks.build(name, 12).eval()(torch.rand(2, 3, 150, 150))
    assert not torch.allclose(outputs.sum(1), torch.ones(2), atol=1e-2)
    refuse_probabilities(outputs)
    with pytest.raises(TrainingError, match="ends in a softmax"):
        refuse_probabilities(outputs.softmax(1))


@pytest.mark.slow
def test_one_batch_can_be_learnt_by_heart(images):
    torch.manual_seed(0)
    network = networks.build("base", 3)
    settings = recipe.Optimizer(learning_rate=3e-4, weight_decay=0)
    optimizer = build_optimizer(network, settings)
    rows = torch.arange(0, 36, 3)
    batch, labels = images.pixels[rows].float() / 255, images.labels[rows]
    losses = []
    for _ in range(25):
        loss = cross_entropy(network(batch), labels).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if losses[-1] < 0.1:
            break
    assert losses[-1] < 0.1, losses
