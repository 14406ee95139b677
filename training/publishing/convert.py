"""A published version in more formats: the same `model.pt`, and the same network as `model.pt2` or `model.onnx` beside it."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models_store import store
from models_store.manifest import Int8, Manifest
from models_store.republish import republish
from training.artifact import formats, model_card, published_network, torchscript
from training.artifact.formats import FILES, Format
from training.artifact.store_errors import as_training_errors
from training.data.images import Images
from training.errors import RunError
from training.publishing import measured_model, quantization

_COARSE = (150, 40, 10, 3)  # blocks a side of the pictures that formats are compared on
_PHOTOS = ((2, 2, 3), (1, 1, 1), (1, 6, 8))  # of a segmenter: images, and multiples of its sides


def convert(folder: Path, destination: Path, forms: tuple[Format, ...], images: Images | None = None) -> Path:
    """Publish the version in `folder` as the next one of its model in the store `destination`, with `forms` beside. Returns its folder.

    Each format answers as `model.pt` does, compared on drawn pictures; int8 as `quantization` has it, by `images`, those of the version's
    training. Raises DataError, RunError, TrainingError naming the file, DiskError.
    """
    with as_training_errors():
        manifest = store.read_any_manifest(folder.absolute())
    made = _of_classifier(folder, forms) if isinstance(manifest, Manifest) else _of_segmenter(folder, forms)
    beside = " and ".join(FILES[form] for form in forms if FILES.get(form) in made)
    why = f"Beside them lies the same network as {beside}, compared with {store.MODEL}." if beside else None
    told = {}
    if "int8" in forms:
        if not isinstance(manifest, Manifest) or images is None:
            raise RunError("int8 is for models that tell species, with the images of their training; leave it out of --format")
        made[FILES["int8"]], told["int8"] = _in_8_bits(folder, made[FILES["onnx"]], images, manifest)
        why = f"{why} {model_card.in_8_bits(told['int8'])}"
    with as_training_errors():
        return republish(destination, folder.absolute(), manifest.name, why, made, told)


def _in_8_bits(folder: Path, onnx: bytes, images: Images, manifest: Manifest) -> tuple[bytes, Int8]:
    model = measured_model.of_artifact(folder)
    images = model.in_order(images)
    return quantization.of_split(onnx, images, model.split(images), manifest.species, manifest.calibration)


def _of_classifier(folder: Path, forms: tuple[Format, ...]) -> dict[str, bytes]:
    manifest, module = torchscript.load(folder)
    network, distance = published_network.network_of(manifest, module), published_network.distance_of(module)
    pictures = torch.cat([_pictures(2, manifest.input.size, manifest.input.size, blocks) for blocks in _COARSE])
    return formats.files(forms, network, manifest.calibration.temperature, distance, module, pictures)


def _of_segmenter(folder: Path, forms: tuple[Format, ...]) -> dict[str, bytes]:
    _, module = torchscript.load_segmenter(folder)
    photos = [_pictures(n, h * torchscript.MULTIPLE, w * torchscript.MULTIPLE, _COARSE[1]) for n, h, w in _PHOTOS]
    return formats.segmenter_files(forms, published_network.segmenter_of(module), module, photos)


def _pictures(n: int, height: int, width: int, blocks: int) -> Tensor:
    """Pictures of random colours, coarse or fine: uint8 [n,3,height,width]."""
    drawn = np.random.default_rng(blocks).integers(0, 256, (n, 3, blocks, blocks), np.uint8)
    return F.interpolate(torch.from_numpy(drawn).float(), (height, width), mode="bilinear", align_corners=False).round().to(torch.uint8)
