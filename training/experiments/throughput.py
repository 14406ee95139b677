"""How fast each network of a comparison is, measured one after the other on a machine that does nothing else.

A sweep's own seconds are those of whatever else ran beside it, so that networks trained on different days cannot be
compared by them.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from models_store import temporary
from training import machine, networks
from training.data import split
from training.data.images import Images
from training.evaluation import latency
from training.experiments.sweep import SweepEntry
from training.fitting import loop as fitting
from training.fitting import run_folder

if TYPE_CHECKING:
    from lightning_fabric import Fabric  # its import takes two seconds


FILE = "throughput.json"  # in the folder of results
OLD_FILE = "pace.json"  # what release 0.1 called it


def document(fabric: "Fabric", entries: Iterable[SweepEntry], images: Images) -> dict[str, Any]:
    """Seconds of an epoch, validation included, and milliseconds of a prediction (one image, exported, on the CPU) of each entry.

    Raises RecipeError, RunError, DiskError.
    """
    found: dict[str, Any] = {"machine": machine.describe(), "networks": {}}
    for entry in entries:
        recipe = entry.load(seed=0).model_copy(update={"epochs": 1})
        with temporary.work_folder(".seedlings-throughput-") as work:
            folder = work / "run"
            (row,) = fitting.fit(fabric, recipe, entry.recipe, images, split.of_recipe(images, recipe), folder)
            description = run_folder.read_description(folder)
        found |= {"recipe": entry.recipe, "device": description.device, "precision": description.precision}
        network = networks.build(recipe.network, len(images.species)).eval()
        found["networks"][recipe.network] = {
            "seconds_per_epoch": row["seconds"],
            "milliseconds_per_prediction": round(latency.milliseconds(network), 2),
        }
    return found
