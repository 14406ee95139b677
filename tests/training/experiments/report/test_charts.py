"""What stands on the axes."""

import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text

from training.experiments.report import charts


@pytest.fixture
def words(monkeypatch):
    """All words of the figures that are drawn."""
    found: list[str] = []
    save = Figure.savefig

    def saved(figure, *arguments, **options):
        save(figure, *arguments, **options)
        found.extend(text.get_text() for text in figure.findobj(Text) if text.get_visible())

    monkeypatch.setattr(Figure, "savefig", saved)
    return found


@pytest.mark.parametrize(("answers", "ticks"), [(4, ["0", "4"]), (30, ["0", "10", "30"]), (2500, ["0", "10", "100", "2,500"])])
def test_counts_of_answers_are_plain_numbers(words, tmp_path, answers, ticks):
    probabilities = torch.tensor([[0.9, 0.1]]).repeat(answers, 1)
    charts.reliability(probabilities, torch.zeros(answers, dtype=torch.int64), tmp_path / "reliability.png")
    assert not [word for word in words if "$" in word]
    assert [word for word in words if word in ticks] == ticks
