"""Figures made of numbers."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from models_store.manifest import Figures
from training.evaluation.metrics import ECE_BINS
from training.experiments.report import style

_PANELS_A_LINE = 3


class Run(Protocol):
    """What curves need of a run: its rows of `metrics.csv`, and its species."""

    @property
    def epochs(self) -> list[dict[str, float]]:
        """One row an epoch."""

    @property
    def species(self) -> list[str]:
        """In the order of its answers."""


def distribution(counts: Mapping[str, int], file: Path) -> None:
    """Images of each species, the report's figure 5."""
    ordered = sorted(counts.items(), key=lambda item: item[1])
    total = sum(counts.values())
    with style.drawing(file, 10, 0.32 * len(ordered) + 0.9) as axis:
        bars = axis.barh([name for name, _ in ordered], [n for _, n in ordered], color=style.GREEN)
        axis.bar_label(bars, [f"{n}  ({n / total:.1%})" for _, n in ordered], padding=4, fontsize=9)
        axis.set_xlim(0, 1.18 * ordered[-1][1])
        axis.set_xlabel("images")
        axis.grid(visible=False, axis="y")


def losses(runs: Mapping[str, Run], file: Path) -> None:
    """Training and validation loss by epoch, one panel a run: the report's figure 8."""
    columns = min(_PANELS_A_LINE, len(runs))
    lines = -(-len(runs) // columns)
    guessing = max(float(np.log(len(result.species))) for result in runs.values())
    highest = max(row[name] for result in runs.values() for row in result.epochs for name in ("train_loss", "validation_loss"))
    with style.drawing(file, 10, 3.1 * lines + 0.3, lines, columns, squeeze=False, sharey=True) as axes:
        for axis in axes.flat[len(runs) :]:
            axis.set_axis_off()
        for axis, (title, result) in zip(axes.flat, runs.items(), strict=False):
            epochs = [row["epoch"] for row in result.epochs]
            axis.plot(epochs, [row["train_loss"] for row in result.epochs], color=style.BLUE, marker=_marker(epochs), label="training")
            validation = [row["validation_loss"] for row in result.epochs]
            axis.plot(epochs, validation, color=style.ORANGE, marker=_marker(epochs), label="validation")
            axis.axhline(np.log(len(result.species)), color=style.GREY, linestyle=":", label=f"guessing, ln {len(result.species)}")
            axis.set_title(style.wrapped(title, 84 // columns))
            axis.set_xlabel("epoch")
            axis.set_ylim(0, max(1.2 * guessing, min(1.05 * highest, 2 * guessing)))  # what lies higher has gone astray
        for line in axes:
            line[0].set_ylabel("loss")
        style.legend(axes[0][0])


def accuracies(runs: Mapping[str, Run], most_frequent: float, file: Path) -> None:
    """Validation accuracy by epoch, the report's figure 9; `most_frequent` is what one answer for all would reach."""
    with style.drawing(file, 10, 4.2) as axis:
        looks = itertools.cycle(itertools.product(("-", "--", "-."), (style.ORANGE, style.PURPLE, style.BLUE, style.GREEN)))
        for (title, result), (line, colour) in zip(runs.items(), looks, strict=False):
            epochs = [row["epoch"] for row in result.epochs]
            shares = [row["validation_accuracy"] for row in result.epochs]
            axis.plot(epochs, shares, color=colour, linestyle=line, marker=_marker(epochs), label=title)
        axis.axhline(most_frequent, color=style.GREY, linestyle=":", label="always the most frequent species")
        axis.set_ylim(0, 1.02)
        axis.set_xlabel("epoch")
        axis.set_ylabel("validation accuracy")
        style.percent(axis.yaxis)
        style.legend(axis)


def ablation(rows: Sequence[tuple[str, list[float], bool]], most_frequent: float, file: Path) -> None:
    """Test accuracy of each step: (label, one value a seed, on the main path or beside it), drawn from the top down."""
    with style.drawing(file, 10, 0.42 * len(rows) + 1.0) as axis:
        for height, (_, values, on_path) in enumerate(rows):
            colour = style.BLUE if on_path else style.GREY
            mean = sum(values) / len(values)
            axis.barh(height, mean, color=colour, alpha=0.35, height=0.62)
            axis.plot(values, [height] * len(values), "o", color=colour, markersize=5)
            axis.annotate(f"{mean:.1%}", (max(values), height), xytext=(8, 0), textcoords="offset points", va="center", fontsize=9)
        axis.axvline(most_frequent, color=style.ORANGE, linestyle=":", label="always the most frequent species")
        axis.set_yticks(range(len(rows)), [label for label, _, _ in rows])
        axis.invert_yaxis()
        axis.set_xlim(0, 1.08)
        axis.set_xlabel("test accuracy (bar: mean, points: seeds; grey: beside the main path)")
        style.percent(axis.xaxis)
        axis.grid(visible=False, axis="y")
        style.legend(axis)


def confusion(figures: Figures, file: Path) -> None:
    """True species against answers, in images."""
    counts = np.array(figures.confusion)  # [species,species]
    names = list(figures.per_species)
    shares = counts / np.maximum(1, counts.sum(1, keepdims=True))
    side = max(7.2, 0.5 * len(names))
    with style.drawing(file, side + 1, side) as axis:
        axis.imshow(shares**0.5, cmap="Blues", vmin=0, vmax=1)  # the root lets single mistakes be seen
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.35 else style.INK
            axis.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=9, color=colour)
        axis.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
        axis.set_yticks(range(len(names)), names)
        axis.set_xlabel("answer")
        axis.set_ylabel("species")
        axis.grid(visible=False)
        axis.spines[:].set_visible(False)
        axis.tick_params(length=0)


def reliability(probabilities: Tensor, labels: Tensor, file: Path) -> None:
    """How often answers of a given probability are right. probabilities float [N,species], labels int64 [N]."""
    highest, answers = (tensor.numpy() for tensor in probabilities.max(1))
    right = answers == labels.numpy()
    edges = np.linspace(0, 1, ECE_BINS + 1)
    found = np.clip(np.digitize(highest, edges) - 1, 0, ECE_BINS - 1)
    counts = np.bincount(found, minlength=ECE_BINS)
    share = np.bincount(found, right, ECE_BINS) / np.maximum(1, counts)
    with style.drawing(file, 6.4, 5.5, 2, 1, sharex=True, height_ratios=(3, 1)) as (upper, lower):
        filled = counts > 0
        upper.plot([0, 1], [0, 1], color=style.GREY, linestyle=":", label="perfectly honest")
        upper.bar(edges[:-1][filled], share[filled], 1 / ECE_BINS, align="edge", color=style.BLUE, alpha=0.4, edgecolor="white")
        means = np.bincount(found, highest, ECE_BINS)[filled] / counts[filled]
        upper.plot(means, share[filled], "o", color=style.BLUE, label="answers in this range")
        upper.set_ylabel("right")
        upper.set_ylim(0, 1.02)
        style.legend(upper)
        style.percent(upper.yaxis)
        lower.bar(edges[:-1], counts, 1 / ECE_BINS, align="edge", color=style.GREY, edgecolor="white")
        lower.set_yscale("symlog", linthresh=10)
        lower.set_ylim(bottom=0)
        most = int(counts.max())
        ticks = sorted({0, most, *(10**power for power in range(1, len(str(most))) if 10**power <= most / 3)})
        lower.set_yticks(ticks, [f"{tick:,}" for tick in ticks])  # matplotlib's own for this scale are formulas
        lower.minorticks_off()
        lower.set_ylabel("images")
        lower.set_xlim(0, 1)
        lower.set_xlabel("probability of the answer")
        style.percent(lower.xaxis)


def sizes(points: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Size of the artifact against accuracy, one line a storage; the whole network is the dashed level."""
    whole = next(point for point in points if point["storage"] == "float32")
    with style.drawing(file, 10, 4.2) as axis:
        for (storage, colour), offset in zip({"float16": style.BLUE, "int8": style.ORANGE}.items(), ((9, -10), (0, 8)), strict=True):
            line = sorted((point for point in points if point["storage"] == storage), key=lambda point: float(point["bytes"]))
            axis.plot(
                [point["bytes"] / 1e6 for point in line], [point["test_accuracy"] for point in line], "o-", color=colour, label=storage
            )
            for point in line:
                name = "whole" if point["rank"] is None else str(point["rank"])
                place = (point["bytes"] / 1e6, point["test_accuracy"])
                axis.annotate(name, place, xytext=offset, textcoords="offset points", ha="center", fontsize=8, color=colour)
        label = f"the whole network, {whole['bytes'] / 1e6:.0f} MB"
        axis.axhline(whole["test_accuracy"], color=style.GREY, linestyle="--", label=label)
        axis.axvline(12, color=style.GREY, linestyle=":", label="12 MB, the limit set for the shipped model")
        axis.set_xscale("log")
        axis.set_xticks([2, 5, 10, 20, 50, 100], ["2", "5", "10", "20", "50", "100"])
        axis.minorticks_off()
        axis.margins(y=0.25)
        axis.set_xlabel("size of model.pt in MB (points: rank of the first dense layer)")
        axis.set_ylabel("test accuracy")
        style.percent(axis.yaxis, 1)
        style.legend(axis)


def _marker(epochs: Sequence[float]) -> str | None:
    return "o" if len(epochs) <= 20 else None
