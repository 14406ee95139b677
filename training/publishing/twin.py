"""The twin of a network that learnt from all images: the same recipe, fitted on the split.

Nothing can be chosen on images that were learnt from. So such a network takes temperature, thresholds and the limit of its distance from
its twin. The twin is a published version, or a run for which they are chosen now. That they keep their promise is shown for the twin alone.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from models_store import store
from models_store.manifest import Calibration, Species, Twin
from training.artifact.calibration import PROMISE
from training.artifact.store_errors import as_training_errors
from training.errors import RunError
from training.fitting.run_identity import Identity
from training.publishing.appraisal import ExternalFolders
from training.publishing.candidate import Candidate

_ALIKE = (
    "recipe",
    "species",
    "split_digest",
    "started_from",
    "teachers",
    "backgrounds",
    "segmenter",
    "averaged",
    "new_weights_share",
)  # fields of `Identity`


@dataclass(frozen=True)
class TwinAppraisal:
    """What a network that learnt from all images has from its twin."""

    twin: Twin
    described: list[Species]
    calibration: Calibration
    epoch: int  # of the twin's weights
    forced: str | None  # why it would not have been published by itself
    chosen_on: Collection[str]  # names of folders of photos that thresholds were chosen on


def check(candidate: Candidate, twin: Identity, name: str) -> None:
    """Refuse a twin that is none. Raises RunError."""
    if twin.all_images:
        raise RunError(f"--twin {name} has learnt from all images itself; name the run of the same recipe without --all-images")
    for field in _ALIKE:
        if _named(getattr(candidate.identity, field)) != _named(getattr(twin, field)):
            raise RunError(f"--twin {name} is no twin: it differs in {field}; fit the same recipe on the same images without --all-images")


def is_version(folder: Path) -> bool:
    """Whether the folder holds a published version; else it may be a run."""
    return (folder / store.MANIFEST).is_file()


def of_version(folder: Path, candidate: Candidate, outside: ExternalFolders, promise: float) -> TwinAppraisal:
    """What a published version gives. Raises RunError where it is no twin, TrainingError naming the file."""
    with as_training_errors():
        manifest = store.read_manifest(folder)
    name = f"{manifest.name}/{manifest.version}"
    check(candidate, Identity.of_manifest(manifest), name)
    compact = manifest.compact
    form = (None, "float32") if compact is None else (compact.rank, compact.storage)
    if form != (candidate.rank, candidate.storage):
        rank, storage = form
        wanted = f"--storage {storage}" if rank is None else f"--rank {rank} --storage {storage}"
        raise RunError(f"--twin {name} was published in another form, and its thresholds hold for that; give {wanted}")
    if outside.field:
        raise RunError(f"the thresholds are those of {name}, chosen already; name these photos by --measure in place of --field")
    if promise not in (PROMISE, manifest.calibration.promise):
        raise RunError(f"the thresholds are those of {name}, chosen already; leave --promise out")
    chosen_on = [one for one, found in manifest.elsewhere.items() if found.chosen_by]
    twin = Twin(name=f"{name}@{manifest.sha256[:12]}", figures=manifest.figures)
    return TwinAppraisal(twin, manifest.species, manifest.calibration, manifest.training.epoch, manifest.forced, chosen_on)


def other_epoch(epoch: int, twin: int) -> str | None:
    """What to say where the twin's weights are of another epoch: longer training makes answers surer, right ones and wrong ones."""
    if epoch == twin:
        return None
    return (
        f"its weights are of epoch {epoch} and its twin's of epoch {twin}, so its probabilities may be surer than those that its thresholds"
        ' were chosen by; with best_by = "last" in the recipe both are of the last epoch'
    )


def _named(value: object) -> object:
    """Without digests: teachers and segmenter of a network that learns from all images may have learnt from all of them, too."""
    if isinstance(value, str):
        return value.split("@")[0]
    return [_named(one) for one in value] if isinstance(value, list) else value
