"""The model card: what the manifest says, for people. It states nothing that the manifest does not know."""

import html
import textwrap

from models_store.learnt import FILE
from models_store.manifest import RANKS, AnswerFigures, Calibration, ElsewhereFigures, Figures, Int8, Manifest, SpeciesElsewhere, Twin
from training.artifact import binomial
from training.data.species import known

_DATA = """\
Photographs of single seedlings from above, indoors, on gravel, from the Plant Seedlings data set (version 1):
Giselsson, Dyrmann, Jørgensen, Jensen, Midtiby (2017), *A Public Image Database for Benchmark of Plant Seedling
Classification Algorithms*, arXiv:1711.05458. © 2014 Mads Dyrmann, Peter Christiansen, University of Southern Denmark, and
Aarhus University; Creative Commons BY-SA 4.0. About 960 plants were photographed several times, and the file names do not
say which: as in every published result on this set, a random split has photos of one plant on both sides, so accuracy on
plants never seen will be lower than stated here."""

_WIDTH = 120
_IMAGENET = "imagenet"  # the start of that name
_PARTS = ", parts of photos"
_CHOSEN = ", where the thresholds were chosen"
_SEEN = "But these figures may have been seen when one of several candidates was chosen for publication."
_NAMED = 3  # species that photos are most often taken for are told
_IMAGES = 4580  # labelled images of that data set

_OWN_DATA = "Images of the publisher's own. Add their source and licence here before passing the model on."

_NOT_FOR = """\
Not for decisions that cannot be undone, such as spraying or pulling, without a person or a second sensor. It knows the
species listed and nothing else: any other plant is still given one of their names, at times with confidence. Field photos
with several plants, other soils, shadows or older plants differ from what it was trained on."""


def text(manifest: Manifest) -> str:
    """The card of a manifest, as Markdown."""
    training, calibration = manifest.training, manifest.calibration
    parts = ", ".join(f"{n} {split}" for split, n in training.images.items())
    return f"""\
# {manifest.name} {manifest.version}

Tells {len(manifest.species)} species of seedlings apart on a photo of one plant. Network *{training.network}*
({training.parameters:,} parameters), {_origin(manifest)}
{_which_weights(manifest)}
Published {manifest.created:%Y-%m-%d}, torch {training.torch_version}.
{_warned(manifest)}
## Figures

{_what_saw_them(manifest)}

{_comparison(manifest)}

{_per_species(manifest.figures)}
{_elsewhere(manifest)}
## Probabilities

Temperature {calibration.temperature:.3f}, fitted on {_held(manifest)}, is inside the model.
{_confident(manifest)}
{_rolled_up(manifest)}{_familiar(calibration)}{_ood(manifest)}
## Data

{_DATA if _is_the_data_set(manifest) else _OWN_DATA}
{_start_data(manifest)}
{"Its twin's split" if manifest.twin else f"Split: {parts}"}; digest `{training.split_digest[:16]}`.

## For what, and for what not

For sorting photos of single young seedlings, for teaching, and as the start of a model of one's own species.
{_NOT_FOR}

## Input and output

`model.pt` (TorchScript, {manifest.size_bytes / 1e6:.1f} MB, SHA-256 `{manifest.sha256}`):
uint8 [N,3,{manifest.input.size},{manifest.input.size}], the central square of a photo,
to float32 [N,{len(manifest.species)}], probabilities in the order of the table.
{"" if manifest.int8 is None else in_8_bits(manifest.int8) + chr(10)}"""


def in_8_bits(found: Int8) -> str:
    """What `model.int8.onnx` is worth, in sentences."""
    side = "" if found.other_side is None else f" {found.other_side} of them lie on the other side of the limit of `familiar`."
    said = "" if found.other_answer is None else f" {found.other_answer} get another `answer`: a statement, none, or one at last."
    kept = f" These layers had to stay in float32: {', '.join(found.float_layers)}." if found.float_layers else ""
    return (
        f"`model.int8.onnx` is the same network in 8 bits, for services that ask for it (`SEEDLINGS_RUNTIME=int8`), with"
        f" scales from training images.{kept} Of {found.n} validation images {found.right} are right, in float32 {found.right_float}."
        f"{side}{said} Temperature and thresholds are those of float32; all other figures here are of float32, too."
    )


def _is_the_data_set(manifest: Manifest) -> bool:
    """Whether these are the images of the project's data set: own photos of the same species are more or fewer."""
    return {species.name for species in manifest.species} == set(known()) and sum(manifest.training.images.values()) == _IMAGES


def _origin(manifest: Manifest) -> str:
    """How the weights came to be. The recipes of older versions lack keys that came later, and what these stand for."""
    recipe = manifest.training.recipe
    by = f"by recipe *{recipe['name']}*, seed {manifest.training.seed}"
    start, teachers = _start(manifest), recipe.get("teachers")
    origin = f"trained from scratch {by}."
    if start:
        origin = f"trained {by}, from {'weights learnt on ImageNet' if start == _IMAGENET else f'the weights of {start}'}."
    frozen = recipe.get("frozen")
    if isinstance(frozen, int | float) and frozen:
        origin += f"\n{'All' if frozen == 1 else f'The first {frozen:.0%}'} of its convolutions' layers kept these weights as they were."
    learnt = f"\nIt learnt the answers of {', '.join(teachers)}, which were trained on the same training images." if teachers else ""
    return origin + learnt + _views(recipe)


def _start(manifest: Manifest) -> str:
    """The weights that training began with: `imagenet`, or a version and its digest; empty for random ones."""
    recipe = manifest.training.recipe
    return str(recipe.get("started_from") or recipe.get("start") or "")


def _start_data(manifest: Manifest) -> str:
    """What the weights had learnt from before, whose terms go on; empty where they were random, or of the same data set."""
    start = _start(manifest)
    if not start or _is_the_data_set(manifest):
        return ""
    text = (
        f"The weights that training began with had learnt from other images: those that the card of {start} names. Its terms hold here too."
    )
    if start == _IMAGENET:
        text = "The weights that training began with had learnt from the photos of ImageNet; they are published under Apache-2.0."
    return f"{textwrap.fill(text, _WIDTH)}\n"


def _warned(manifest: Manifest) -> str:
    """What was said of it when it was published; empty where nothing was."""
    lines = [f"**Published by --force, although {html.escape(manifest.forced, quote=False)}.**"] if manifest.forced else []
    lines += [f"- {html.escape(one, quote=False)}" for one in manifest.warnings]
    return "\n" + "\n".join(textwrap.fill(line, _WIDTH) for line in lines) + "\n" if lines else ""


def _views(recipe: dict[str, object]) -> str:
    """What it saw in training and sees in service in place of the photo as it is."""
    text = ""
    backgrounds = recipe.get("backgrounds")
    if isinstance(backgrounds, list) and backgrounds:
        text += f"\nIn training its plants were set on squares of other photos too: {', '.join(backgrounds)}."
    if recipe.get("plant_view") == "light":
        text += "\nA segmenter inside the artifact brings each photo to the light in which its plant has one brightness."
    if recipe.get("plant_view") == "alone":
        text += "\nIt sees the plant alone: a segmenter inside the artifact cuts it out and sets it on one colour."
    if recipe.get("plant_view") == "gated":
        text += (
            "\nA segmenter inside the artifact looks at the background. The background of the training images stays."
            " On any other background the plant is cut out and set on one colour."
        )
    return text


def _what_saw_them(manifest: Manifest) -> str:
    """What is known of the test images' part in training and in choices."""
    if manifest.twin is not None:
        return textwrap.fill(_what_its_twin_saw(manifest, manifest.twin), _WIDTH)
    start = _start(manifest)
    text = (
        f"On the {manifest.figures.n} images of the {manifest.figures.split} split, one forward pass each. They were not trained on, and"
        f" epoch, temperature and threshold were chosen on other images. {_SEEN}"
    )
    training = manifest.training
    if training.left_out:
        counts = " and ".join(f"{n} {part} images" for part, n in training.left_out.items())
        text += f" {counts} of the split are left out of all figures, since these or earlier weights had learnt from them."
    if training.unknown_origins:
        names = " and ".join(training.unknown_origins)
        text += f" What {names} had learnt from is not known: the figures hold as far as these images were not among it."
    elif start and start != _IMAGENET and FILE in manifest.files:
        text += f" Training began with {start}, which had learnt from none of those that are counted."
    elif start and start != _IMAGENET:
        text += (
            f" Training began with {start}: the figures hold as far as {start} had not learnt from these images. If its card names the"
            " same split digest, it had not."
        )
    if manifest.recalibrated_from:
        text += f" The network is that of {manifest.recalibrated_from}, to the byte; thresholds and figures were found anew."
    return textwrap.fill(text, _WIDTH)


def _what_its_twin_saw(manifest: Manifest, twin: Twin) -> str:
    """How one that learnt from all images was measured, and what it has from its twin."""
    figures, training = manifest.figures, manifest.training
    text = (
        f"It has learnt from all {training.images['train']} images, so nothing can be measured on these. Its figures are those of"
        f" {figures.n} photos of {html.escape(figures.split, quote=False)}, one forward pass each: it has not learnt from them, and no"
        f" threshold was chosen by them. {_SEEN} Temperature, thresholds and the limit of its distance are those of its twin"
        f" {html.escape(twin.name, quote=False)}: the same recipe, fitted on the training part of the split. How surely its thresholds keep"
        " their promise is known of the twin alone."
    )
    if training.unknown_origins:
        names = " and ".join(training.unknown_origins)
        text += f" What {names} had learnt from is not known: the figures hold as far as these photos were not among it."
    return text


def _held(manifest: Manifest) -> str:
    """What temperature and thresholds were chosen on."""
    part = "validation" if manifest.calibration.folds is None else "out-of-fold answers"
    return f"{part} of its twin" if manifest.twin else part


def _confident(manifest: Manifest) -> str:
    calibration = manifest.calibration
    if calibration.threshold is None:
        return textwrap.fill(f'No answer is "confident": {calibration.threshold_reason}.', _WIDTH)
    text = f'An answer is "confident" from a probability of {calibration.threshold:.4f} on: {calibration.threshold_rule}.'
    if calibration.promise is not None and calibration.certainty is not None:
        like = "validation images" if calibration.folds is None else "images of training"
        text += (
            f" The promise: of answers to photos like the {like}, at least {calibration.promise:.4g} of the confident ones are right, at"
            f" {calibration.certainty:.0%} certainty. Other photos may break it."
        )
    if calibration.folds is not None:
        text += f" {calibration.folds} more networks gave these answers, by the same recipe, each to images that it did not learn from."
    text += f" On {_held(manifest)} {calibration.validation_coverage:.1%} of the images are answered with confidence"
    right = "" if calibration.validation_accuracy is None else f", {calibration.validation_accuracy:.1%} of them rightly"
    return textwrap.fill(f"{text}{right}.", _WIDTH)


def _rolled_up(manifest: Manifest) -> str:
    """What is said where the species is not sure; empty for a manifest of a release that knew of no kinds' thresholds."""
    calibration, tested = manifest.calibration, manifest.figures.answers
    if calibration.kind is None or calibration.group is None or calibration.validation_answers is None or tested is None:
        return ""
    lines = [
        "Where the species is not sure, the kind is answered, or else the group. The probability of a kind or group is the sum of those of"
        " its species."
    ]
    for rank, found in (("kind", calibration.kind), ("group", calibration.group)):
        if found.threshold is None:
            why = "for the same reason" if found.threshold_reason == calibration.threshold_reason else found.threshold_reason
            lines.append(f"The {rank} is never answered alone: {why}.")
        else:
            lines.append(f"The {rank} is answered from a probability of {found.threshold:.4f} on, by the same rule and promise.")
    lines.append("Each rank is tested by itself.")
    rows = [(f"{_held(manifest)}{_CHOSEN}", calibration.validation_answers)]
    if manifest.twin is None:
        rows.append((manifest.figures.split, tested))
    rows += [
        (_cell(name) + (_PARTS if found.parts else "") + (_CHOSEN if found.chosen_by else ""), found.answers)
        for name, found in manifest.elsewhere.items()
    ]
    columns = ("photos", "n", *RANKS, "no answer", "wrong answers", "right at least", "crops called weeds")
    head = f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n"
    table = head + "\n".join(f"| {name} | {_answers(found)} |" for name, found in rows)
    note = '"Right at least" is the lower bound at 95% certainty (Clopper-Pearson).'
    if any(_CHOSEN in name for name, _ in rows):
        note += " It is too high where the thresholds were chosen on the same photos."
    return f"\n{textwrap.fill(' '.join(lines), _WIDTH)}\n\n{table}\n\n{textwrap.fill(note, _WIDTH)}\n"


def _answers(found: AnswerFigures) -> str:
    """Cells of a table: shares of the photos, with the number of wrong ones."""
    answered, wrong = sum(found.answered.values()), sum(found.wrong.values())
    ranks = [f"{found.answered[rank] / found.n:.1%} ({found.wrong[rank]} wrong)" for rank in RANKS]
    share = f"{wrong} of {answered}" + (f" = {wrong / answered:.1%}" if answered else "")
    bound = f"{binomial.lower_bound(answered - wrong, answered):.1%}" if answered else "–"
    weeds = f"{found.crops_called_weeds} of {found.crops}"
    return " | ".join([f"{found.n}", *ranks, f"{1 - answered / found.n:.1%}", share, bound, weeds])


def _which_weights(manifest: Manifest) -> str:
    recipe = manifest.training.recipe
    if runs := recipe.get("averaged"):
        chosen = "" if manifest.twin else ", which was best on validation"
        return f"Weights: the mean of those that {' and '.join(runs)} ended with{chosen}."
    if manifest.twin is not None:
        return f"Weights of epoch {manifest.training.epoch} of {recipe['epochs']}, the last: it had no images to choose by."
    most = "at most " if recipe.get("patience") else ""
    chosen = "" if recipe.get("best_by") == "last" else ", chosen on validation"
    if (share := recipe.get("new_weights_share", 1)) < 1:
        return (
            f"Weights: {share:.0%} of those of epoch {manifest.training.epoch} of {most}{recipe['epochs']}{chosen}, and {1 - share:.0%} of"
            " those that training began with. The shares were chosen on validation."
        )
    return f"Weights of epoch {manifest.training.epoch} of {most}{recipe['epochs']}{chosen}."


def _familiar(calibration: Calibration) -> str:
    known = calibration.familiarity
    if known is None:
        return "It cannot tell unfamiliar pictures: one that shows no plant at all is still given a name, at times with confidence.\n"
    measured = "whose plant, by the texture and\ncolour that its segmenter sees, lies"
    if known.convolution is not None:
        measured = f"whose activations after\nconvolution {known.convolution} lie"
    limit = f"{known.limit:.1f}, {known.limit_rule}"
    parts = ""
    if known.limit_for_parts is not None:
        farther = f"lies farther than {known.limit_for_parts:.2f}" if known.limit_for_parts else "is not its central square"
        parts = (
            f"Of a part of a photo that {farther} nothing is answered, either: there the thresholds do not hold. The tables above say what"
            " would have been answered of parts by the usual limit."
        )
        parts = f"\n{textwrap.fill(parts, _WIDTH)}\n"
    return f"""
A picture unlike those it was trained on is "unfamiliar", and never answered with confidence: one {measured} \
farther from theirs than {limit}.
It notices pictures of something else altogether, not another plant photographed in the same way.
{parts}"""


def _comparison(manifest: Manifest) -> str:
    where = f", {_cell(manifest.figures.split)}" if manifest.twin else ""
    rows = [(f"this model{where}", manifest.figures, manifest.compact.parameters if manifest.compact else manifest.training.parameters)]
    if manifest.compact:
        rows.append((f"the full network it was made from{where}", manifest.compact.full_figures, manifest.training.parameters))
    if manifest.twin:
        rows.append((f"its twin {_cell(manifest.twin.name)}, test", manifest.twin.figures, rows[0][2]))
    head = "| | parameters | accuracy | macro-F1 | ECE |\n|---|---|---|---|---|\n"
    table = head + "\n".join(f"| {what} | {n:,} | {f.accuracy:.2%} | {f.macro_f1:.4f} | {f.ece:.2%} |" for what, f, n in rows)
    if manifest.compact:
        rank = manifest.compact.rank
        factors = "no layer is factored" if rank is None else f"the largest dense layer has rank {rank}"
        table += f"\n\nCompact: {factors}, weights are stored as {manifest.compact.storage}."
    return table


def _per_species(figures: Figures) -> str:
    head = "| species | precision | recall | F1 | images |\n|---|---|---|---|---|\n"
    return head + "\n".join(
        f"| {_cell(name)} | {row.precision:.1%} | {row.recall:.1%} | {row.f1:.3f} | {row.n} |"
        if row.n
        else f"| {_cell(name)} | – | – | – | 0 |"  # such as a species that only corrections show
        for name, row in figures.per_species.items()
    )


def _elsewhere(manifest: Manifest) -> str:
    """Figures on photos in no split; empty where there are none."""
    if not manifest.elsewhere:
        return ""
    lines = [
        "| photos from elsewhere | n | right | 95% interval | familiar | confident | of these right | most often taken for |",
        "|---" * 8 + "|",
    ]
    for name, found in manifest.elsewhere.items():
        interval = "–" if found.accuracy_interval is None else "{:.1%} to {:.1%}".format(*found.accuracy_interval)
        lines.append(f"| {_cell(name)}{_CHOSEN if found.chosen_by else ''} | {_shares(found, interval)} | |")
        for species, row in found.per_species.items():
            most = ", ".join(f"{_cell(answer)} {n}" for answer, n in list(row.taken_for.items())[:_NAMED])
            lines.append(f"| – {_cell(species)} | {_shares(row, '')} | {most} |")
    text = f"Photos that belong to no split. Where the table does not say so, no threshold was chosen on them. {_SEEN}"
    for name, found in manifest.elsewhere.items():
        if found.left_out:
            text += f" {found.left_out} more of {_cell(name)} were learnt from, and are left out."
    return "\n" + textwrap.fill(text, _WIDTH) + "\n\n" + "\n".join(lines) + "\n"


def _shares(found: ElsewhereFigures | SpeciesElsewhere, interval: str) -> str:
    right, *others = (
        "–" if share is None else f"{share:.1%}" for share in (found.accuracy, found.familiar, found.confident, found.confident_accuracy)
    )
    return " | ".join([f"{found.n}", right, interval, *others])


def _ood(manifest: Manifest) -> str:
    """How well pictures of anything else are told from the model's own; empty where that was not measured."""
    if not manifest.ood:
        return ""
    head = "| pictures of anything else | n | AUROC | FPR95 | unfamiliar | answered | with a species |\n" + "|---" * 7 + "|\n"
    rows = (
        f"| {_cell(name)} | {one.n} | {one.auroc:.3f} | {one.fpr95:.1%} | {one.unfamiliar:.1%} | {one.answered:.1%} | {one.confident:.1%} |"
        for name, one in manifest.ood.items()
    )
    part = _cell(manifest.figures.split)
    note = f"Told from the {part} images by their distance. FPR95: the share that passes where 95% of the {part} images pass."
    return "\n" + head + "\n".join(rows) + f"\n\n{textwrap.fill(note, _WIDTH)}\n"


def _cell(name: str) -> str:
    """A species' name, which is a folder's, so that Markdown shows it and nothing else."""
    return html.escape(name, quote=False).replace("|", "\\|")
