"""Which epoch of a run is kept, and when a run ends before its last one."""

from training.recipe import Recipe


def ends(history: list[dict[str, float]], recipe: Recipe) -> bool:
    """Whether all epochs are done, or validation has got no better for as many as the recipe has patience."""
    if len(history) >= recipe.epochs:
        return True
    if not recipe.patience or not history:
        return False
    return len(history) - int(best_epoch(history, recipe.best_by)["epoch"]) >= recipe.patience


def best_epoch(history: list[dict[str, float]], best_by: str) -> dict[str, float]:
    """The row of the epoch whose weights are kept: by validation accuracy and, where that is the same, loss; or by loss alone.

    The last one where nothing was validated, or `best_by` says so.
    """
    if best_by == "last" or "validation_loss" not in history[-1]:
        return history[-1]
    if best_by == "loss":
        return min(history, key=lambda row: row["validation_loss"])
    return max(history, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))
