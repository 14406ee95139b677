"""What the network knows the like of: how far from the images trained on an image may lie, and whom that turns away."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from models_store.manifest import Calibration, Familiarity, OodFigures, Species
from training import networks
from training.artifact import answer_figures, thresholds
from training.artifact.ood_distance import Distance, pool
from training.data.images import Images
from training.data.split import Split
from training.data.tensors import to_float
from training.errors import DataError
from training.evaluation import metrics, predictions, synthetic_ood
from training.fitting.augmentation.transforms import transformed
from training.networks.network import Network
from training.networks.plant_view import PlantView, shows_plants_alone
from training.publishing.measured_model import MeasuredModel
from training.recipe import Recipe

PASSED = 0.995  # share of validation images that are to count as familiar
LEAST_PASSED = 0.98  # of the same, where pictures of no plant are known that shall not
DRAWN = 20  # pictures of each kind


def fit(network: Network, recipe: Recipe, images: Images, split: Split) -> Distance | None:
    """The distance from the training images, each as it is and once as the recipe's augmentation changes it.

    A network that sees plants cut out measures their texture, as its segmenter sees it, on whatever background: what is cut from a photo
    on one colour is nearer to these than a whole photo, whatever it shows. Other networks measure activations halfway. There pictures of
    plants that the recipe sets on other backgrounds are a group of their own, all of them moved: between the two kinds lies much that
    is neither.
    """
    network.eval()
    cut_out, shallow = shows_plants_alone(network), network.convolutions[: networks.halfway(network)]
    random = torch.Generator().manual_seed(recipe.seed)
    pixels = images.pixels[split.train]

    def described(batch: Tensor) -> Tensor:
        batch = batch.contiguous(memory_format=torch.channels_last)
        return pool(network.convolutions[0].look(batch)[1] if cut_out else shallow(batch))  # type: ignore[operator]  # [N,C]

    own_background = predictions.in_batches(lambda batch: described(to_float(batch)), pixels)
    moved = recipe.model_copy(update={"field": recipe.field.model_copy(update={"share": 1.0})}) if recipe.field.share else recipe
    changed = predictions.in_batches(lambda batch: described(transformed(batch, moved, None, random).images), pixels)
    return Distance(own_background, changed) if recipe.field.share and not cut_out else Distance(torch.cat([own_background, changed]))


def choose_limit(network: Network, module: nn.Module, images: Images, split: Split, no_plants: Tensor | None = None) -> Familiarity:
    """The limit on the distance, chosen on the validation images; `module` is the exported network.

    With pictures of no plant, uint8 [N,3,S,S], it is lowered under the nearest of them, as far as `LEAST_PASSED` allows.
    """
    distances = predictions.answers(module, images.pixels[split.validation]).distances
    if distances is None:
        raise ValueError("the module was exported without a distance")
    limit = float(distances.double().quantile(PASSED, interpolation="higher"))
    rule = f"the least within which {PASSED:.1%} of the validation images lie"
    if no_plants is not None:
        away = predictions.answers(module, no_plants).distances
        assert away is not None  # the same module
        least = float(distances.double().quantile(LEAST_PASSED, interpolation="higher"))
        limit = min(limit, max(least, math.nextafter(float(away.min()), 0.0)))
        rule += f", or less, down to {LEAST_PASSED:.0%}, so that fewer of {len(no_plants)} pictures of no plant lie within it"
    return Familiarity(
        convolution=None if shows_plants_alone(network) else convolutions_measured(network),
        limit=limit,
        limit_rule=rule,
        validation_share=float((distances <= limit).double().mean()),
    )


def convolutions_measured(network: Network) -> int:
    """How many convolutions, stored in any form, an image goes through before its distance is measured."""
    shallow = [layer for layer in network.convolutions[: networks.halfway(network)] if not isinstance(layer, PlantView)]
    weights = (getattr(layer, "weight", None) for layer in nn.ModuleList(shallow).modules())
    return sum(isinstance(weight, Tensor) and weight.ndim == 4 for weight in weights)


def figures(calibration: Calibration, probabilities: Tensor, distances: Tensor, labels: Tensor) -> dict[str, float | None]:
    """How many images are familiar, and what that leaves of the confident answers.

    probabilities float [N,species], distances float [N], labels int64 [N]. `confident_accuracy` is None where no answer is
    confident.
    """
    familiar, sure = _verdicts(calibration, probabilities, distances)
    right, confident = probabilities.argmax(1) == labels, familiar & sure
    return {
        "familiar": _share(familiar),
        "confident": _share(confident),
        "confident_by_probability_alone": _share(sure),
        "confident_accuracy": _share(right[confident]) if bool(confident.any()) else None,
    }


def on_drawn_pictures(calibration: Calibration, module: nn.Module, images: int = DRAWN, seed: int = 0) -> dict[str, Any]:
    """How many pictures that show no seedling are turned away, as shares: by kind and in all.

    `images` of each kind of `synthetic_ood` are drawn. Raises ValueError for a module without a distance.
    """
    kinds = {}
    for kind, pixels in synthetic_ood.draw(images, seed).items():
        probabilities, distances = predictions.answers(module, pixels)
        if distances is None:
            raise ValueError("the module was exported without a distance")
        familiar, sure = _verdicts(calibration, probabilities, distances)
        kinds[kind] = {"unfamiliar": _share(~familiar), "not_confident": _share(~(familiar & sure)), "unsure": _share(~sure)}
    return {
        "images": images * len(kinds),
        **{name: sum(kind[name] for kind in kinds.values()) / len(kinds) for name in ("unfamiliar", "not_confident", "unsure")},
        "kinds": kinds,
    }


def on_pictures(model: MeasuredModel, known: Tensor | None, pictures: Tensor) -> OodFigures:
    """How pictures of anything else, uint8 [N,3,S,S], are told from photos of what the model knows by its distance.

    `known` are the distances of such photos, float [M]. AUROC and FPR95 as in Hendrycks & Gimpel (2017), *A Baseline for Detecting
    Misclassified and Out-of-Distribution Examples in Neural Networks*, and Liang et al. (2018). Raises DataError for a model that
    measures no distance or has no limit for it.
    """
    calibration = model.calibration
    probabilities, distances = model.answers(pictures)
    if calibration is None or calibration.familiarity is None or known is None or distances is None:
        raise DataError("--ood is for an artifact that tells how far a picture is from what it was trained on; this model does not")
    familiar = distances <= calibration.familiarity.limit
    nothing = Species(name="")
    asked = thresholds.held_out("pictures", probabilities, [nothing] * len(distances), familiar, calibration.promise or 0)
    answered = answer_figures.figures(model.described, calibration, asked).answered
    return OodFigures(
        n=len(distances),
        auroc=metrics.auroc(known, distances),
        fpr95=_share(distances <= known.double().quantile(0.95, interpolation="higher")),
        unfamiliar=_share(~familiar),
        confident=answered["species"] / len(distances),
        answered=sum(answered.values()) / len(distances),
    )


def _verdicts(calibration: Calibration, probabilities: Tensor, distances: Tensor) -> tuple[Tensor, Tensor]:
    """Which images are familiar, and which answers are sure by their probability: bool [N] each."""
    familiarity = calibration.familiarity
    familiar = torch.ones(len(distances), dtype=torch.bool) if familiarity is None else distances <= familiarity.limit
    return familiar, probabilities.max(1).values >= calibration.confident_from


def _share(chosen: Tensor) -> float:
    return float(chosen.double().mean())
