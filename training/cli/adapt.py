"""`adapt`: from corrections to the next version of the model in service."""

import argparse
from pathlib import Path

from models_store import installing
from training.cli.options import Commands, add_data, add_machine, seed
from training.cli.output import say

_WORK = ".seedlings-adapt-"


def add(commands: "Commands[argparse.ArgumentParser]") -> None:
    """The command's options."""
    adapt = commands.add_parser("adapt", help="teach the version in service what people corrected, and publish it if it is better")
    adapt.add_argument("--database", required=True, metavar="URL", help="as SEEDLINGS_DATABASE of the service")
    adapt.add_argument("--photos", metavar="URL", help="as SEEDLINGS_PHOTOS of the service (default: the folder beside the file of SQLite)")
    add_data(adapt)
    adapt.add_argument("--store", type=Path, required=True, help="folder of published models, that of the service")
    adapt.add_argument("--name", help="name of the model (default: the one whose answers most of them correct)")
    adapt.add_argument("--all", action="store_true", help="learn also from corrections that no reviewer has accepted yet")
    adapt.add_argument("--recipe", default="adapt", help="name of a recipe, or the path of a .toml file (default: adapt)")
    adapt.add_argument("--seed", type=seed, default=0, help="(default: 0)")
    adapt.add_argument(
        "--run", type=Path, help="folder of the run, which the same command resumes where it was interrupted (default: a temporary one)"
    )
    adapt.add_argument("--force", action="store_true", help="publish it even if it is not shown to be better; the card says so")
    add_machine(adapt)
    adapt.set_defaults(perform=_perform)


def _perform(options: argparse.Namespace) -> None:
    from training.errors import DataError

    try:
        from corrections.records import State
        from training.data import corrections
    except ImportError as error:
        raise DataError(f"corrections need {error.name}: {installing.command('seedlings[corrections]')}") from None
    from models_store import temporary
    from training.data import images
    from training.fitting.fabric import make_fabric
    from training.memory import keep_freed_memory
    from training.publishing import adaptation

    keep_freed_memory()
    with temporary.work_folder(_WORK) as work:
        states: tuple[State, ...] = ("accepted", "waiting") if options.all else ("accepted",)
        known = images.scan(options.data).species
        written = corrections.write(options.database, options.photos, work / "corrected", states, known)
        say(written.text())
        answered_by = written.mostly_answered_by()
        name = options.name or adaptation.to_teach(options.store, answered_by, set(written.species).difference(written.not_learnt))
        if answered_by in (None, name):
            say(f"this teaches {name}")
        elif options.name:
            say(f"this teaches {name}, though most of these correct what {answered_by} answered; without --name that one is taught")
        else:
            say(
                f"this teaches {name}, though most of these correct what {answered_by} answered: that one does not know all of these"
                " species, and a second model is asked only where both know the same ones"
            )
        corrected = adaptation.CorrectionFolders.of(work / "corrected", work / "cache", written.alike, written.groups)
        adapted = adaptation.adapt(
            make_fabric(options.device, precision=options.precision),
            corrected,
            options.data,
            options.store,
            name,
            options.run or work / "run",
            recipe=options.recipe,
            cache=options.cache,
            seed=options.seed,
            force=options.force,
        )
    say(adapted.weights.text())
    say(adapted.corrected.text_of_gain("corrections not learnt from"))
    say(adapted.test.text(f"test images of {adapted.before}"))
    say(f"published {adapted.folder}; a running service takes it over by itself")
    if adapted.beside is not None:
        say(f"published {adapted.beside}, too, unchanged: a service asks both only where they lie in one store")
