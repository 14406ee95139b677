"""Figures on external photos, those in no split: from a field, from another camera, of plants that the model was never taught."""

from typing import Any

import torch
from torch import Tensor

from training.artifact import binomial

_NAMED = 3  # species that a folder is most often taken for are told


def figures(
    species: list[str],
    folders: list[str],
    labels: Tensor,
    probabilities: Tensor,
    threshold: float | None = None,
    familiar: Tensor | None = None,
) -> dict[str, Any]:
    """What a model that knows `species` says of photos in `folders`, one for each species, whole or part of its own or none of them.

    labels int64 [N] count in `folders`, probabilities are float [N,species]. An answer is confident where its probability reaches
    `threshold` and its photo is `familiar`, bool [N]; without a threshold nothing is said of it. A folder of no species that the
    model knows has no accuracy: none of its answers can be right.
    """
    highest, answers = probabilities.max(1)
    known = torch.tensor([species.index(name) if name in species else -1 for name in folders])[labels]  # [N]
    right = answers == known
    seen = torch.ones(len(labels), dtype=torch.bool) if familiar is None else familiar
    confident = None if threshold is None else seen & (highest >= threshold)

    def row(chosen: Tensor) -> dict[str, Any]:
        teachable = chosen & (known >= 0)
        found: dict[str, Any] = {"n": int(chosen.sum()), "accuracy": _share(right, teachable)}
        if familiar is not None:
            found["familiar"] = _share(familiar, chosen)
        if confident is not None:
            found["confident"] = _share(confident, chosen)
            found["confident_accuracy"] = _share(right, chosen & confident)
        return found

    per_species = {}
    for label, name in enumerate(folders):
        chosen = labels == label
        counts = torch.bincount(answers[chosen], minlength=len(species))
        most = [answer for answer in counts.argsort(descending=True, stable=True).tolist() if counts[answer]]
        per_species[name] = row(chosen) | {"taken_for": {species[answer]: int(counts[answer]) for answer in most}}
    n = int((known >= 0).sum())
    interval = binomial.interval(int(right.sum()), n) if n else None
    return row(torch.ones(len(labels), dtype=torch.bool)) | {"accuracy_interval": interval, "per_species": per_species}


def text(name: str, species: list[str], found: dict[str, Any]) -> str:
    """The figures of a model that knows `species`, as lines for a terminal."""
    width = max(len("all"), *map(len, found["per_species"]))
    lines = [f"{'':<{width}} images accuracy familiar confident  taken for"]
    for row_name, row in [*found["per_species"].items(), ("all", found)]:
        shares = " ".join(f"{_percent(row.get(key)):>{wide}}" for key, wide in (("accuracy", 8), ("familiar", 8), ("confident", 9)))
        most = list(row.get("taken_for", {}).items())[:_NAMED]
        lines.append(f"{row_name:<{width}} {row['n']:>6} {shares}  {', '.join(f'{answer} {n}' for answer, n in most)}".rstrip())
    unknown = [row_name for row_name, row in found["per_species"].items() if row["n"] and row["accuracy"] is None]
    if unknown:
        lines.append(f"\nno answer to {', '.join(unknown)} can be right: the model knows {', '.join(species)}")
    sure = found.get("confident_accuracy")
    lines.append(f"\n{name}" + (f"; of the confident answers {sure:.1%} are right" if sure is not None else ""))
    return "\n".join(lines)


def _share(of: Tensor, among: Tensor) -> float | None:
    """None where there is nothing, such as photos of a folder that are all left out."""
    return float(of[among].double().mean()) if among.any() else None


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
