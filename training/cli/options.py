"""Options that several commands share, and old names that still work."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.old_names import say_new_name

if TYPE_CHECKING:
    from training.publishing.appraisal import ExternalFolders

PUBLISHED = "folder of a published version, or NAME/VERSION of a model that comes with the project"
_MOST_SEED = 2**32 - 1
_SHOWN = 20  # characters of a wrong value in its message
Commands = argparse._SubParsersAction  # of argparse.ArgumentParser


class OldName(argparse.Action):
    """The name that an option had before: it works for one release, and says its new name, which is `metavar`."""

    def __call__(self, _: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        """Take the value as the new option would."""
        say_new_name(str(option), str(self.metavar))
        setattr(namespace, self.dest, self.const if self.nargs == 0 else values)


def add_measured(command: argparse.ArgumentParser) -> None:
    """`--run` or `--artifact`, one of them: what is measured."""
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", type=Path, help="folder of a run; its best weights are measured")
    what.add_argument("--artifact", type=published_version, metavar="DIR", help=PUBLISHED)


def add_machine(command: argparse.ArgumentParser) -> None:
    """`--device` and `--precision`."""
    command.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    command.add_argument(
        "--precision", choices=["auto", "32-true", "bf16-mixed"], default="auto", help="auto: bfloat16 where the processor computes in it"
    )


def published_version(text: str) -> Path:
    """The folder of a published version: by itself, or NAME/VERSION of a model that comes with the project."""
    from models_store import store

    found = store.named_version(text)
    return found if (found / store.MANIFEST).exists() else Path(text)


def named_folder(text: str) -> tuple[str, Path]:
    """`NAME=DIR`."""
    name, equals, folder = text.partition("=")
    if not equals or not name.strip() or not folder:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=DIR, such as field=photos/field")
    return name.strip(), Path(folder)


def share(text: str) -> float:
    """A number between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is no share between 0 and 1, such as 0.95")
    return value


def count(text: str) -> int:
    """A whole number from 1 on."""
    if (value := _whole(text)) is None or value < 1:
        raise argparse.ArgumentTypeError(f"{text[:_SHOWN]} is no whole number from 1 on, such as 8")
    return value


def seed(text: str) -> int:
    """A whole number that every generator of random numbers takes."""
    if (value := _whole(text)) is None or not 0 <= value <= _MOST_SEED:
        raise argparse.ArgumentTypeError(f"{text[:_SHOWN]} is no whole number from 0 to {_MOST_SEED}")
    return value


def rate(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text[:_SHOWN]} is no number above 0, such as 0.003")
    return value


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def add_named(command: argparse.ArgumentParser, option: str, meaning: str) -> None:
    """An option `NAME=DIR`, as often as there are folders."""
    command.add_argument(option, type=named_folder, action=_ByName, default={}, metavar="NAME=DIR", help=f"{meaning}; may be given often")


class _ByName(argparse.Action):
    """Collects `NAME=DIR`, each name once."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None) -> None:
        """Add the folder."""
        name, folder = values
        before = getattr(namespace, self.dest)
        if name in before:
            parser.error(f"{option} {name} is given twice; give each folder a name of its own")
        setattr(namespace, self.dest, before | {name: folder})


def add_appraisal(command: argparse.ArgumentParser) -> None:
    """What thresholds promise, and photos in no split to choose them on or to measure on."""
    promise = "of what is relied upon to be right, at 95%% certainty; 0.99 takes 299 validation images, 0.95 takes 59 (default: 0.99)"
    command.add_argument("--promise", type=share, default=0.99, metavar="SHARE", help=promise)
    add_named(command, "--field", "photos from outside, one folder for each species, on which thresholds have to hold too")
    add_named(command, "--field-parts", PARTS)
    command.add_argument("--field-promise", type=share, metavar="SHARE", help="the promise on the photos of --field (default: --promise)")
    add_named(command, "--measure", "photos in no split to measure on, for the card; nothing is chosen by them")
    add_named(command, "--ood", OOD)


PARTS = "squares cut out of photos from outside, as /detect looks at them: a limit is chosen within which the thresholds hold on them, too"
OOD = "pictures of anything else, to measure how well they are told from photos of the model's own species"


def external_folders(options: argparse.Namespace) -> "ExternalFolders":
    """The folders of `add_appraisal`. Raises DataError where they contradict each other."""
    from training.publishing.appraisal import ExternalFolders

    return ExternalFolders(
        options.field, options.measure, options.ood, options.field_promise, options.cache, field_parts=options.field_parts
    )


def add_results(command: argparse.ArgumentParser) -> None:
    """`--results`."""
    command.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="where results are kept (default: results)")


def add_data(command: argparse.ArgumentParser, *, required: bool = True) -> None:
    """`--data` and `--cache`."""
    command.add_argument("--data", required=required, type=Path, metavar="DIR", help="holds one folder of images for each species")
    command.add_argument("--cache", type=Path, metavar="DIR", help="where decoded images are kept (default: ~/.cache/seedlings)")


def add_background_photos(command: argparse.ArgumentParser, use: str = "") -> None:
    """`--background-photos`: photos to set plants on. `use`: what makes use of them, if not all does."""
    command.add_argument(
        "--background-photos",
        nargs="+",
        type=Path,
        default=[],
        metavar="DIR",
        help=f"photos to set plants on{use}; of those with a folder `masks` beside theirs, the bare parts",
    )
