"""`leakage`: near duplicates across the split, and the accuracy of an artifact or a run without them."""

import argparse

from training.cli.options import Commands, add_data, add_measured, add_results
from training.cli.output import say


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    leakage = commands.add_parser("leakage", help="near duplicates between test and training images, and the accuracy without them")
    add_measured(leakage)
    add_data(leakage)
    add_results(leakage)
    leakage.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training.atomic_files import write_json
    from training.data import images as data
    from training.data import near_duplicates
    from training.publishing import measured_model

    measured = measured_model.of(options.run, options.artifact)
    images = measured.in_order(data.load(options.data, options.cache))
    split = measured.split(images)
    document = near_duplicates.document(images, split, measured.probabilities(images.pixels[split.test]), measured.name)
    write_json(options.results / "leakage.json", document)
    say(f"{measured.name}: accuracy {document['accuracy']:.2%} on {document['test_images']} test images")
    for row in document["thresholds"]:
        near, without = row["near_duplicates"], row["accuracy_without"]
        say(f"{near:>4} have a neighbour in train or validation with similarity ≥ {row['threshold']}; without them {without:.2%}")
