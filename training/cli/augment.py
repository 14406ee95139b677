"""`augment`: one picture of what a network learns from."""

import argparse
from pathlib import Path

from training.cli.options import Commands, add_background_photos, add_data
from training.cli.output import say


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    augment = commands.add_parser("augment", help="one picture of what a network learns from by a recipe")
    augment.add_argument("--recipe", required=True, help="name of a recipe, or the path of a .toml file")
    add_data(augment)
    add_background_photos(augment, " (recipes with a [field])")
    augment.add_argument("--images", type=int, default=96, metavar="N", help="on the sheet (default: 96)")
    augment.add_argument("--out", type=Path, required=True, metavar="FILE", help="a PNG")
    augment.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training import recipe as recipes
    from training.data import background_photos
    from training.data import images as data
    from training.experiments import augmentation_sheet

    recipe = recipes.load(options.recipe)
    squares = background_photos.for_recipe(options.background_photos, recipe.field)
    augmentation_sheet.write(data.load(options.data, options.cache), recipe, squares, options.out, options.images)
    say(f"wrote {options.out}")
