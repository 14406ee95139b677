"""`segmenter`: train what cuts plants out of photos."""

import argparse
from pathlib import Path

from training.cli.options import Commands, add_background_photos, add_data, count, seed
from training.cli.output import say


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    segmenter = commands.add_parser(
        "segmenter", help="train what cuts one plant out, for recipes with a plant_view (not that of /detect); an interrupted one goes on"
    )
    add_data(segmenter)
    add_background_photos(segmenter)
    for name, purpose in (("--masks", "learn from"), ("--measure", "be measured on")):
        about = f"photos to {purpose}, whose masks lie in a folder `masks` beside theirs: PNG, 0 is background"
        segmenter.add_argument(name, nargs="+", type=Path, default=[], metavar="DIR", help=about)
    segmenter.add_argument("--steps", type=count, default=500, help="batches of 48 pictures (default: 500)")
    segmenter.add_argument("--seed", type=seed, default=0, help="of weights and pictures (default: 0)")
    segmenter.add_argument(
        "--split", choices=["report", "content"], default="report", help="as in the recipe of the networks behind it (default: report)"
    )
    segmenter.add_argument("--split-seed", type=seed, default=0, help="the same (default: 0)")
    segmenter.add_argument("--out", type=Path, required=True, metavar="FILE", help="where its weights go")
    segmenter.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    """It learns from the training part of the images alone, since networks behind it are measured on the others."""
    from training.data import background_photos, masked_photos, split
    from training.data import images as data
    from training.fitting import known_background, plant_view_segmenter, provenance, step_checkpoint, write_lock
    from training.memory import keep_freed_memory

    keep_freed_memory()
    step_checkpoint.check_out(options.out)
    images = data.load(options.data, options.cache)
    squares = background_photos.squares(options.background_photos) if options.background_photos else None
    measured = {folder: masked_photos.squares(folder) for folder in options.measure}
    learnt = [masked_photos.squares(folder) for folder in options.masks]
    parts = split.of(images, options.split_seed, options.split)
    photos = [
        *background_photos.files(options.background_photos),
        *(file for folder in options.masks for file in masked_photos.files(folder)),
    ]
    origin = (provenance.of_images(images, parts.train) | provenance.of_photos(photos)).learnt
    training, validation = images.pixels[parts.train], images.pixels[parts.validation]
    with write_lock.of_file(options.out):
        trained = plant_view_segmenter.train(training, validation, squares, learnt, options.steps, options.seed, options.out, origin)
    say(f"validation images: background known in {known_background.share(trained, validation):.1%}")
    for folder, masked in measured.items():
        iou, known = plant_view_segmenter.iou(trained, masked), known_background.share(trained, masked.pixels)
        say(f"{folder}: IoU of plants {iou:.3f}, background taken for the training images' in {known:.1%} of {len(masked.pixels)} squares")
    say(f"wrote {options.out}")
