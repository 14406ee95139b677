"""The sections about data, networks and training, in the order of the report."""

from statistics import mean

from markupsafe import Markup

from training.experiments.report import charts, pictures
from training.experiments.report.html_page import Section, figure, missing, pair, paragraph, source, table
from training.experiments.report.material import Material, spread
from training.experiments.report.network_layers import layers
from training.experiments.results import RunResult
from training.experiments.sweep import SWEEPS
from training.experiments.throughput import FILE, OLD_FILE

# The report's table 1: network → test accuracy, validation accuracy.
THEIRS = {"base": (0.16, 0.10), "dropout": (0.11, 0.15)}
OURS = "seedlings"  # the recipe
_SWEEP = "python -m training sweep ablation --data DIR --runs runs"
# What the ablation was made to find out: a sentence about two of its rows.
_TOLD = (
    ("Taking the softmax out, and nothing else, moved test accuracy from {} to {}.", "report-base", "ablation-1-logits"),
    ("Keeping it and learning at a tenth of the rate: from {} to {}.", "report-base", "ablation-9-report-slow"),
    ("Putting it back into this project's recipe: from {} to {}.", "base", "ablation-8-report-softmax"),
)


def samples(material: Material) -> Section:
    """A photo of each species: figure 4."""
    pictures.samples(material.images, material.out / "figure-4-samples.png")
    caption = "Figure 4. One photo of each species, 150×150 pixels: the one of median brightness."
    return Section("The species", figure("figure-4-samples.png", caption))


def distribution(material: Material) -> Section:
    """How often each species occurs: figure 5."""
    labels = material.images.labels.tolist()
    counts = {name: labels.count(label) for label, name in enumerate(material.images.species)}
    charts.distribution(counts, material.out / "figure-5-distribution.png")
    largest = max(counts, key=lambda name: counts[name])
    text = (
        f"{len(labels):,} images. Whoever always answers {largest} is right in {material.most_frequent:.1%}:"
        " what any result has to be compared with."
    )
    return Section(
        "How often each species occurs", paragraph(text) + figure("figure-5-distribution.png", "Figure 5. Images of each species.")
    )


def architectures(material: Material) -> Section:
    """The two networks layer by layer: figures 6 and 7."""
    parts = []
    for number, name in ((6, "base"), (7, "dropout")):
        found = layers(name, len(material.images.species))
        rows = [(layer.name, "×".join(map(str, layer.output)), f"{layer.parameters:,}" if layer.parameters else "") for layer in found]
        total = ("total", "", f"{sum(layer.parameters for layer in found):,}")
        parts.append((f"Figure {number}.", name, table(("layer", "output", "parameters"), [*rows, total], total=True)))
    text = (
        "The softmax that the report put at the end is not in the network here: the loss takes one of its own (section 7),"
        " and the exported model adds it for those who want probabilities."
    )
    return Section("The two networks", paragraph(text) + pair(parts))


def curves(material: Material) -> Section:
    """Loss by epoch: figure 8."""
    runs = _shown(material)
    lacking = _lacking(material)
    if not runs:
        return Section("Loss by epoch", lacking)
    charts.losses(runs, material.out / "figure-8-loss.png")
    text = (
        "Labels are smoothed in training, where the recipe says so, and never in validation. The report's loss"
        " passes through two softmaxes and cannot fall under ln(1 + 11/e) = 1.619 with 12 species."
    )
    caption = "Figure 8. Loss of the report's recipe, reproduced, and of this project's."
    return Section("Loss by epoch", paragraph(text) + figure("figure-8-loss.png", caption) + lacking + _traced(runs))


def validation(material: Material) -> Section:
    """Validation accuracy by epoch: figure 9."""
    runs = _shown(material)
    lacking = _lacking(material)
    if not runs:
        return Section("Validation accuracy by epoch", lacking)
    charts.accuracies(runs, material.most_frequent, material.out / "figure-9-accuracy.png")
    caption = "Figure 9. Validation accuracy of the same runs."
    return Section("Validation accuracy by epoch", figure("figure-9-accuracy.png", caption) + lacking + _traced(runs))


def table_1(material: Material) -> Section:
    """Theirs and ours side by side."""
    rows: list[tuple[str, ...]] = []
    for name, (test, validation_accuracy) in THEIRS.items():
        rows.append((f"{name}, as the report gives it", f"{test:.0%}", "–", f"{validation_accuracy:.0%}", "10", "1"))
        rows.append(_row(f"{name}, the report's recipe reproduced", material.of(f"report-{name}")))
    ours = {name: material.of(OURS, name) for name in THEIRS}
    rows += [_row(f"{name}, this project's recipe", found) for name, found in ours.items() if found or name == "base"]
    text = (
        "Test images are looked at once, with the weights of the epoch that was best on validation, one forward pass each;"
        " ± is the standard deviation over seeds. Beside it, the probabilities averaged over an image's 8 orientations, turned and"
        " mirrored, which takes 8 passes."
        " The split is the report's in size (3,264 to train on, 500 to validate, 816 to test)."
    )
    head = ("network", "test accuracy", "over 8 orientations", "validation accuracy", "epochs", "seeds")
    return Section("Table 1: theirs and ours", paragraph(text) + table(head, rows) + _lacking(material) + source("results/runs.csv"))


def ablation(material: Material) -> Section:
    """From the report's recipe to ours, one change at a time."""
    title = "Why it failed: one change at a time"
    entries = SWEEPS["ablation"]
    found = {entry.key: material.of(entry.recipe, entry.network) for entry in entries}
    named = {entry.key: entry.recipe for entry in entries}
    if not any(found.values()):
        return Section(title, missing("The ablation has no results yet.", _SWEEP))
    rows, drawn = [], []
    for entry in entries:
        results = found[entry.key]
        tests = [one.test.accuracy for one in results]
        before = [one.test.accuracy for one in found.get(entry.against or "", [])]
        change = f"{100 * (mean(tests) - mean(before)):+.1f}" if tests and before else ""
        accuracies = (spread(one.validation_accuracy for one in results), spread(tests))
        rows.append((entry.change, entry.recipe, named.get(entry.against or "", ""), *accuracies, change, str(len(tests))))
        if tests:
            drawn.append((entry.change, tests, entry.main))
    charts.ablation(drawn, material.most_frequent, material.out / "ablation.png")
    text = (
        "The network of the report ended in a softmax, and the loss it was trained with takes one of its own. Each row changes one"
        " thing against the row named in it; 10 epochs each unless it says otherwise. The rows beside the main path put the softmax"
        " back into this project's recipe, and keep it in the report's with a smaller learning rate: they show how much of the"
        " failure it explains. Weights are those of the epoch that was best on validation, which of a run that collapses is the"
        " one before it did; every epoch stands in the result files."
    )
    told = [one for entry in _TOLD if (one := _told(entry, found))]
    head = ("change", "recipe", "against", "validation", "test", "points", "seeds")
    lacking = [entry.key for entry in entries if not found[entry.key]]
    rest = missing(f"No results yet of {', '.join(lacking)}.", f"{_SWEEP} --only {' '.join(lacking)}") if lacking else Markup("")
    shown = figure("ablation.png", "Test accuracy from the report's recipe (top) to this project's, one change at a time.")
    said = paragraph(" ".join(told)) if told else Markup("")
    return Section(title, paragraph(text) + said + shown + table(head, rows, text=(1, 2)) + rest + source("results/runs/*.json"))


def _told(what: tuple[str, str, str], found: dict[str, list[RunResult]]) -> str:
    """One comparison in words, where both of its rows have results."""
    sentence, before, after = what
    if not (found.get(before) and found.get(after)):
        return ""
    first, last = (spread(one.test.accuracy for one in found[key]) for key in (before, after))
    return sentence.format(first, last)


def five_networks(material: Material) -> Section:
    """Every network under one recipe."""
    title = "Five networks under one recipe"
    rows, lacking = [], []
    speed = material.document(FILE, OLD_FILE) or {"networks": {}}
    for entry in SWEEPS["networks"]:
        found = material.of(entry.recipe, entry.network)
        fast = speed["networks"].get(entry.network)
        if not found:
            lacking.append(entry.key)
            continue
        rows.append(
            (
                entry.key,
                f"{found[0].parameters:,}",
                spread(one.test.accuracy for one in found),
                f"{mean(one.test.macro_f1 for one in found):.3f}",
                f"{fast['seconds_per_epoch']:.1f}" if fast else "–",
                f"{fast['milliseconds_per_prediction']:.1f}" if fast else "–",
                str(len(found)),
            )
        )
    rest = Markup("")
    if lacking:
        rest = missing(f"No results yet of {', '.join(lacking)}.", "python -m training sweep networks --data DIR --runs runs")
    if not rows:
        return Section(title, rest)
    text = "Recipe comparison, 10 epochs from scratch: it shows who learns quickly, not who ends highest."
    if speed["networks"]:
        text += (
            " Seconds an epoch and milliseconds a prediction (one image, exported) were measured with nothing else running on"
            f" {speed['machine']['cores']} cores of {speed['machine']['processor']}, training in {speed['precision']}."
        )
    else:
        rest += missing("Their speed was not measured yet.", "python -m training throughput --data DIR")
    head = ("network", "parameters", "test accuracy", "macro-F1", "s / epoch", "ms / prediction", "seeds")
    return Section(title, paragraph(text) + table(head, rows) + rest + source(f"results/runs/comparison.*.json, results/{FILE}"))


def _shown(material: Material) -> dict[str, RunResult]:
    """The runs of figures 8 and 9 that have results, with their titles: the first seed of each."""
    wanted = {"report's recipe, base": "report-base", "report's recipe, dropout": "report-dropout", "this project's recipe": OURS}
    return {title: found[0] for title, recipe in wanted.items() if (found := material.of(recipe))}


def _lacking(material: Material) -> Markup:
    names = [recipe for recipe in ("report-base", "report-dropout", OURS) if not material.of(recipe)]
    return missing(f"No results yet of {', '.join(names)}.", f"{_SWEEP} --only {' '.join(names)}") if names else Markup("")


def _traced(runs: dict[str, RunResult]) -> Markup:
    return source(", ".join(f"results/runs/{one.name}.json" for one in runs.values()))


def _row(what: str, found: list[RunResult]) -> tuple[str, ...]:
    epochs = str(found[0].recipe.epochs) if found else "–"
    orientations = spread(one.test_tta.accuracy for one in found if one.test_tta)
    validation = spread(one.validation_accuracy for one in found)
    return what, spread(one.test.accuracy for one in found), orientations, validation, epochs, str(len(found))
