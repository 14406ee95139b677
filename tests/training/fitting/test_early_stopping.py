"""The epoch that is kept, and the end of a run, against rows written by hand."""

from training.fitting import early_stopping
from training.recipe import Recipe


def test_the_kept_epoch_is_the_most_accurate_or_that_of_the_least_loss():
    history = [
        {"epoch": 1, "validation_accuracy": 0.9, "validation_loss": 0.30},
        {"epoch": 2, "validation_accuracy": 0.9, "validation_loss": 0.29},
        {"epoch": 3, "validation_accuracy": 0.8, "validation_loss": 0.28},
    ]
    assert early_stopping.best_epoch(history, "accuracy") is history[1]
    assert early_stopping.best_epoch(history, "loss") is history[2]


def test_patience_counts_from_the_best_epoch():
    history = [{"epoch": epoch, "validation_accuracy": 0.5, "validation_loss": loss} for epoch, loss in enumerate((3, 1, 2, 2), 1)]
    recipe = Recipe(network="tiny", epochs=5)
    assert early_stopping.ends(history, recipe.model_copy(update={"patience": 2}))
    assert not early_stopping.ends(history, recipe.model_copy(update={"patience": 3}))
    assert not early_stopping.ends(history, recipe)
    assert early_stopping.ends(history, recipe.model_copy(update={"epochs": 4}))
    assert not early_stopping.ends([], recipe.model_copy(update={"patience": 2}))
