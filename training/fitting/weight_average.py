"""One network from several runs: the mean of the weights that they ended with.

Wortsman et al. (2022), *Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference
time*. It works for runs that set out from the same trained weights; the mean of networks trained apart from each other answers nothing.
"""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from models_store.learnt import FILE as LEARNT
from training.atomic_files import write_atomically, write_json
from training.errors import RunError
from training.fitting import provenance, run_folder
from training.fitting.provenance import Provenance


def average(runs: Sequence[Path], folder: Path) -> run_folder.Description:
    """Write a run folder whose best weights are the mean of the last ones of finished `runs`; returns its description.

    Recipe, device and seed are those of the first. Raises RunError where a run has not ended, where one is of another network, other
    species or another split, or where `folder` holds something; DiskError.
    """
    if len(runs) < 2:
        raise RunError("a mean takes two runs or more: --runs RUN RUN …")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is there already; give a new folder with --run")
    descriptions = [run_folder.read_description(one) for one in runs]
    first, names = descriptions[0], []
    learnt: Provenance | None = None
    total: dict[str, Tensor] = {}
    for one, description in zip(runs, descriptions, strict=True):
        if _kind(description) != _kind(first):
            raise RunError(
                f"{one} is of another network, species, start, split or choice of images than {runs[0]}; their mean would answer nothing"
            )
        weights = _last_weights(one, description)
        names.append(run_folder.run_reference(one, description))
        own = provenance.of_run(one, description)
        learnt = own if learnt is None else learnt | own
        for name, tensor in weights.items():
            total[name] = total[name] + tensor if name in total and tensor.is_floating_point() else tensor
    mean = {name: tensor / len(runs) if tensor.is_floating_point() else tensor for name, tensor in total.items()}
    teachers = sorted({teacher for description in descriptions for teacher in description.teachers})
    backgrounds = sorted({background for description in descriptions for background in description.backgrounds})
    made = {"averaged": names, "teachers": teachers, "backgrounds": backgrounds, "finished": True}
    if learnt is not None:
        made["unknown_origins"] = [*learnt.unknown]
        content = learnt.learnt.to_bytes()
        write_atomically(folder / LEARNT, lambda stream: stream.write(content))
    described = first.model_copy(update=made)
    write_json(folder / run_folder.DESCRIPTION, described.model_dump(mode="json"))
    run_folder.save_weights(folder / run_folder.BEST, {"epoch": first.recipe.epochs, "network": mean})
    return described


def _kind(description: run_folder.Description) -> tuple[object, ...]:
    """What has to be the same for a mean to make sense."""
    recipe, data = description.recipe, (description.species, description.split_digest, description.all_images)
    return recipe.network, recipe.start, recipe.plant_view, description.segmenter, *data


def _last_weights(folder: Path, description: run_folder.Description) -> dict[str, Tensor]:
    """What the run would be evaluated with after its last epoch: the averaged weights where its recipe has them."""
    if description.averaged:
        raise RunError(f"{folder} is a mean of runs itself; give the runs that it was made of")
    if not run_folder.is_finished(folder, description):
        done, epochs = run_folder.finished_epochs(folder), description.recipe.epochs
        raise RunError(f"{folder} has finished {done} of {epochs} epochs; go on with 'python -m training fit'")
    try:
        checkpoint = run_folder.load_weights(folder / run_folder.LAST)
    except FileNotFoundError:
        raise RunError(
            f"{folder} is finished, but {run_folder.LAST}, the weights that it ended with, was removed, as a sweep does. The mean needs"
            " it: train the run again in another folder"
        ) from None
    if "averaged" not in checkpoint:
        return dict(checkpoint["network"])
    return {name.removeprefix("module."): tensor for name, tensor in checkpoint["averaged"].items() if name != "n_averaged"}
