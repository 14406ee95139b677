"""`fit`: train a network."""

import argparse
import contextlib
import functools
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from training.cli.options import Commands, add_background_photos, add_data, add_machine

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from training.data.images import Images
    from training.data.split import Split


SEGMENTER = "segmenter"  # what `--recipe` says for a segmenter, which has a command of its own


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    fit = commands.add_parser("fit", help="train a network by a recipe, or resume an interrupted run")
    fit.add_argument(
        "--recipe",
        default="own",
        help="name of a recipe, or the path of a .toml file (default: own, for photos of one's own); segmenter: as 'photo-segmenter fit'",
    )
    fit.add_argument("--masks", nargs="*", action=_OfSegmenters, help=argparse.SUPPRESS)
    add_data(fit)
    fit.add_argument("--run", required=True, type=Path, help="folder of the run; an interrupted one is resumed")
    fit.add_argument(
        "--teacher", nargs="+", type=Path, default=[], metavar="RUN", help="finished runs to learn from (recipes with [distillation])"
    )
    add_background_photos(fit, " (recipes with a [field])")
    fit.add_argument("--segmenter", type=Path, metavar="FILE", help="cuts plants out (recipes with a plant_view)")
    fit.add_argument(
        "--all-images", action="store_true", help="learn from validation and test images too, as a release does whose twin is measured"
    )
    fit.add_argument(
        "--folds",
        type=int,
        metavar="N",
        help="train N more networks into RUN/fold-1…, each validated on another N-th of the images, for small sets",
    )
    fit.add_argument("--seed", type=int, help="instead of the recipe's")
    fit.add_argument("--network", metavar="NAME", help="instead of the recipe's")
    add_machine(fit)
    fit.add_argument("--devices", type=int, default=1, help="how many of them (default: 1)")
    fit.add_argument("--nodes", type=int, default=1, help="machines that train together (default: 1)")
    fit.set_defaults(perform=functools.partial(_perform, fit))


def as_segmenter(arguments: Sequence[str]) -> list[str]:
    """`fit --recipe segmenter …` as the command that trains what finds the plants on whole photos; all else as it is."""
    recipes = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    recipes.add_argument("--recipe", nargs="?")
    found, others = recipes.parse_known_args(arguments[1:])
    if arguments[:1] == ["fit"] and found.recipe == SEGMENTER:
        return ["photo-segmenter", "fit", *others]
    return [*arguments]


class _OfSegmenters(argparse.Action):
    """An option of a segmenter alone."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """End the command."""
        parser.error(f"argument --masks: masks are for '--recipe {SEGMENTER}', which finds the plants on whole photos")


def _perform(command: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """All that can be wrong with recipe and images is looked at before the run folder appears."""
    if options.folds is not None and options.folds < 2:
        command.error(f"--folds {options.folds}: at least 2, such as 5")
    if options.folds is not None and options.all_images:
        command.error("--folds measures on images that are not learnt from, and --all-images leaves none; give one of them")
    from training import recipe as recipes
    from training.data import images as data
    from training.data import split
    from training.fitting import early_stopping, folds, loop, time_left, write_lock
    from training.fitting.fabric import make_fabric
    from training.fitting.run_record import TENSORBOARD
    from training.memory import keep_freed_memory

    changes = {"seed": options.seed, "network": options.network}
    recipe = recipes.load(options.recipe, **{key: value for key, value in changes.items() if value is not None})
    keep_freed_memory()
    fabric = make_fabric(options.device, options.devices, options.nodes, options.precision)
    images = data.load(options.data, options.cache)
    parts = split.of_recipe(images, recipe)

    def train(parts: "Split", folder: Path) -> list[dict[str, float]]:
        with write_lock.of_run(folder) if fabric.is_global_zero else contextlib.nullcontext():
            return loop.fit(
                fabric,
                recipe,
                recipes.name_of_now(options.recipe),
                images,
                parts,
                folder,
                options.teacher,
                options.background_photos,
                options.segmenter,
                options.all_images,
            )

    history = train(parts, options.run)
    took_s = [_seconds(history)]  # of each network so far
    for number in range(1, 1 + (options.folds or 0)):
        left = time_left.in_words(took_s, options.folds + 1 - number, at_most=False)
        fabric.print(f"fold {number} of {options.folds}: {left} until all are done")
        took_s.append(_seconds(train(split.fold(images, parts, number, options.folds), folds.folder(options.run, number))))
    best = early_stopping.best_epoch(history, recipe.best_by)
    measured = "nothing was measured" if options.all_images else f"validation accuracy {best['validation_accuracy']:.2%}"
    fabric.print(f"best: epoch {best['epoch']:.0f}, {measured}; weights in {options.run}")
    if not options.all_images:
        _say_if_guessing(fabric, images, options.run, best["validation_accuracy"])
    if options.folds:
        fabric.print(folds.text(folds.results(options.run)))
    show = shlex.join([str(Path(sys.executable).with_name("tensorboard")), "--logdir", str(options.run / TENSORBOARD)])
    fabric.print(f"curves of every epoch: {show}")


def _seconds(history: list[dict[str, float]]) -> float:
    return sum(row["seconds"] for row in history)


def _say_if_guessing(fabric: "Fabric", images: "Images", folder: Path, accuracy: float) -> None:
    """Say it where the run's best validation accuracy may be guessing."""
    from training.fitting import provenance, run_folder
    from training.publishing import gates

    description = run_folder.read_description(folder)
    held = provenance.split_of(images, description, provenance.of_run(folder, description, images).learnt).validation
    if found := gates.guessing(round(accuracy * len(held)), images.labels[held], images.species):
        fabric.print(f"This run has learnt nothing that can be shown: {found}.")
