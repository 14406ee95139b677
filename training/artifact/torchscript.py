"""Networks as TorchScript and back: the one module of training that knows the format of `model.pt`."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import torch
import torch.jit
import torch.nn.functional as F
from torch import Tensor, nn
from torch._jit_internal import is_scripting

from models_store import store
from models_store.manifest import Manifest, SegmenterManifest
from models_store.store import Opened
from training import networks
from training.artifact import compression
from training.artifact.ood_distance import Distance
from training.artifact.store_errors import as_training_errors
from training.errors import TrainingError
from training.networks.clump_classifier import ClumpClassifier
from training.networks.network import Network
from training.networks.photo_segmenter import STRIDE, PhotoSegmenter, enlarged
from training.networks.plant_view import shows_plants_alone

_Described = TypeVar("_Described", Manifest, SegmenterManifest)
AFAR = 4  # how much smaller a photo is seen from afar
_EVEN = 0.02  # of brightness, its standard deviation up to which a place is even
MULTIPLE = AFAR * STRIDE  # of which a photo's width and height are multiples


class Exported(nn.Module):
    """A network with everything in front of it and behind it, so that training and service cannot drift apart.

    It is `models_store.artifact.Explaining`: its halves are exported too, for those who ask which part of an image spoke
    for an answer.
    """

    def __init__(self, network: Network, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    @torch.jit.export
    def features(self, images: Tensor) -> Tensor:
        """Activations of the last convolution: uint8 [N,3,S,S] → float32 [N,C,h,w]."""
        return self.network.features(images.to(torch.float32) / 255)

    @torch.jit.export
    def classify(self, features: Tensor) -> Tensor:
        """Calibrated logits from `features`: float32 [N,C,h,w] → float32 [N,species]."""
        return self.network.classify(features) / self.temperature

    def forward(self, images: Tensor) -> Tensor:
        """Probabilities: uint8 [N,3,S,S] → float32 [N,species]."""
        return self.classify(self.features(images)).softmax(1)


class Measured(Exported):
    """An exported network that also tells how far an image is from those trained on: `models_store.artifact.Measuring`."""

    halfway: Final[int]

    def __init__(self, network: Network, temperature: float, distance: Distance) -> None:
        super().__init__(network, temperature)
        self.halfway = networks.halfway(network)
        self.measure = distance

    @torch.jit.export
    def distance(self, activations: Tensor) -> Tensor:
        """Distance from the images trained on, by activations halfway: float32 [N,C,h,w] → float32 [N]."""
        return self.measure(activations)  # type: ignore[no-any-return]

    @torch.jit.export
    def answer(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives and the distance, in one pass: uint8 [N,3,S,S] → float32 [N,species], float32 [N]."""
        features = images.to(torch.float32) / 255
        activations = features
        for count, layer in enumerate(self.network.convolutions):
            features = layer(features)
            if count + 1 == self.halfway:
                activations = features
        return self.classify(features).softmax(1), self.distance(activations)


class MeasuredByPlant(Exported):
    """A network with a plant view that tells how far a plant's texture is from those trained on: `models_store.artifact.Looking`."""

    def __init__(self, network: Network, temperature: float, distance: Distance) -> None:
        super().__init__(network, temperature)
        self.measure = distance

    @torch.jit.export
    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What the plant view shows, and the texture of the plant: uint8 [N,3,S,S] → float32 [N,3,S,S], float32 [N,C,1,1]."""
        shown, texture = self.network.convolutions[0].look(images.to(torch.float32) / 255)  # type: ignore[operator]
        return shown, texture

    @torch.jit.export
    def distance(self, activations: Tensor) -> Tensor:
        """Distance from the plants trained on, by their texture: float32 [N,C,1,1] → float32 [N]."""
        return self.measure(activations)  # type: ignore[no-any-return]

    @torch.jit.export
    def answer(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives and the distance, in one pass: uint8 [N,3,S,S] → float32 [N,species], float32 [N]."""
        features, texture = self.look(images)
        for count, layer in enumerate(self.network.convolutions):
            if count > 0:
                features = layer(features)
        return self.classify(features).softmax(1), self.distance(texture)


def exported(network: Network, temperature: float, distance: Distance | None) -> Exported:
    """The module of `model.pt` for a network, with its distance where there is one."""
    if distance is None:
        return Exported(network, temperature)
    return (MeasuredByPlant if shows_plants_alone(network) else Measured)(network, temperature, distance)


class ExportedSegmenter(nn.Module):
    """A segmenter of whole photos, which looks at a photo from near and, at a quarter of its size, from afar.

    It looks at each photo mirrored so that the left half and the upper one are the brighter ones. A photo mirrored from left to right,
    upside down, or both, so gives exactly the mirrored maps, in one pass. The mean over all four mirror images takes four, and had an
    IoU of 0.665 on wheat and 0.615 on beets, where one had 0.661 and 0.627 (weights of version 1, the halves not learnt from).

    A large leaf that is smooth or out of focus has nothing to see from near but its edge. There the view from afar is believed, too.

    It is `models_store.artifact.Segmenting`.
    """

    afar: Final = AFAR
    even: Final = _EVEN

    def __init__(self, network: PhotoSegmenter) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities of plant and of centres: uint8 [N,3,H,W] → float32 [N,H,W], [N,H/4,W/4], [N,H/16,W/16]."""
        across, down = brighter_behind(images, 3), brighter_behind(images, 2)
        pixels = mirrored(images, across, down).to(torch.float32) / 255
        plant, near = self.network(pixels)
        coarse, afar = self.network(F.avg_pool2d(pixels, self.afar))
        plant = plant + evenness(pixels, self.afar, self.even) * (enlarged(coarse, self.afar) - plant).clamp(min=0)
        return seen(plant, across, down), seen(near, across, down), seen(afar, across, down)


class ClumpTellingSegmenter(ExportedSegmenter):
    """A segmenter with a classifier of the parts that it finds: `models_store.artifact.TellingClumps`."""

    def __init__(self, network: PhotoSegmenter, clumps: ClumpClassifier) -> None:
        super().__init__(network)
        self.clumps = clumps

    @torch.jit.export
    def clump_probability(self, parts: Tensor) -> Tensor:
        """How probable it is that a part holds several plants: uint8 [P,4,64,64] → float32 [P]. The mean of all four mirror images."""
        seen = parts.to(torch.float32) / 255
        logits = self.clumps(seen) + self.clumps(seen.flip(2)) + self.clumps(seen.flip(3)) + self.clumps(seen.flip([2, 3]))
        return (logits / 4).sigmoid()  # type: ignore[no-any-return]


def exported_segmenter(network: PhotoSegmenter, clumps: ClumpClassifier | None) -> ExportedSegmenter:
    """The module of `model.pt` for a segmenter, with its classifier of clumps where there is one."""
    return ExportedSegmenter(network) if clumps is None else ClumpTellingSegmenter(network, clumps)


def evenness(pixels: Tensor, side: int, even: float) -> Tensor:
    """Where brightness hardly varies: float [N,3,H,W] → [N,1,H,W], 1 where its deviation is at most that share of it, 0 from twice that on.

    The standard deviation is taken within blocks of `side` pixels a side, and of 3×3 of them the mean of its square.
    """
    light = pixels.mean(1, keepdim=True)
    level = F.avg_pool2d(light, side)
    variance = (F.avg_pool2d(light * light, side) - level * level).clamp(min=0)
    variation = F.avg_pool2d(variance, 3, 1, 1).sqrt() / (level + 0.01)
    return enlarged((2 - variation / even).clamp(0, 1), side)


def brighter_behind(images: Tensor, dim: int) -> Tensor:
    """Of which images the second half along a dimension is brighter: uint8 [N,3,H,W] → bool [N]. In whole numbers, so exact."""
    n, channels, height, width = images.shape
    rows = images.permute(0, 2, 3, 1).reshape(n, height, width * channels)  # a view where channels come last; quicker to sum
    sums = rows.sum(2, dtype=torch.int32) if dim == 2 else rows.sum(1, dtype=torch.int32).view(n, width, channels).sum(2)  # [N,H] or [N,W]
    half = sums.size(1) // 2
    return sums[:, :half].sum(1) < sums[:, sums.size(1) - half :].sum(1)


def mirrored(images: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Images [N,C,H,W], those chosen by bool [N] mirrored from left to right, and upside down."""
    always = not is_scripting()  # torch.export cannot ask what a value is
    if always or bool(across.any()):
        images = torch.where(across[:, None, None, None], images.flip(3), images)
    if always or bool(down.any()):
        images = torch.where(down[:, None, None, None], images.flip(2), images)
    return images


def seen(logits: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Probabilities of images as they came, by the logits of mirrored ones: [N,1,h,w] → [N,h,w]."""
    return mirrored(logits.sigmoid(), across, down)[:, 0]


def segmenter_to_torchscript(network: PhotoSegmenter, clumps: ClumpClassifier | None = None) -> bytes:
    """The bytes of `model.pt` for a segmenter of whole photos, its kernels in float16; it computes in float32."""
    stream = io.BytesIO()
    stored = compression.store_halves(exported_segmenter(network, clumps).cpu().eval())
    with _deprecation_known():
        torch.jit.save(torch.jit.script(stored.eval()), stream)
    return _without_debug_records(stream)


def to_torchscript(network: Network, temperature: float, distance: Distance | None = None) -> bytes:
    """The bytes of `model.pt` for a network that gives logits [N,species], with its distance where there is one."""
    stream = io.BytesIO()
    with _deprecation_known():
        torch.jit.save(torch.jit.script(exported(network.cpu().eval(), temperature, distance).eval()), stream)
    return _without_debug_records(stream)


def open_module(model: io.BytesIO) -> nn.Module:
    """The module in the bytes of a `model.pt`. Raises RuntimeError if they are not TorchScript."""
    with _deprecation_known():
        module: nn.Module = torch.jit.load(model, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    return module


def freeze(module: nn.Module) -> nn.Module:
    """The module as it is served: in channels-last order, its constants and storage conversions folded."""
    with _deprecation_known():
        frozen: nn.Module = torch.jit.freeze(module.to(memory_format=torch.channels_last))
        torch._C._jit_pass_constant_propagation(frozen.graph)  # about once in 30 it leaves a product of constants
    return frozen


def load(path: Path) -> tuple[Manifest, nn.Module]:
    """Manifest and module of the artifact in folder `path`, verified. Raises TrainingError naming the file."""
    return _loaded(path, store.open_artifact)


def load_segmenter(path: Path) -> tuple[SegmenterManifest, nn.Module]:
    """The same for a segmenter."""
    return _loaded(path, store.open_segmenter)


def _loaded(path: Path, open_version: Callable[[Path], Opened[_Described]]) -> tuple[_Described, nn.Module]:
    with as_training_errors():
        opened = open_version(path)
    try:
        return opened.manifest, open_module(opened.model)
    except RuntimeError as error:
        raise TrainingError(f"{path / store.MODEL} is not TorchScript ({str(error).splitlines()[0]}); publish it again") from None


@contextlib.contextmanager
def _deprecation_known() -> Iterator[None]:
    with warnings.catch_warnings():  # TorchScript is the artifact's format until torch.export takes over
        warnings.filterwarnings("ignore", r".*torch\.jit", FutureWarning)
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        yield


def _without_debug_records(archive: io.BytesIO) -> bytes:
    """The archive without its debug records, which hold the paths of the source files on the exporting machine."""
    archive.seek(0)
    reader = torch._C.PyTorchFileReader(archive)
    stream = io.BytesIO()
    writer = torch._C.PyTorchFileWriter(stream)
    for name in reader.get_all_records():
        # The writer adds version and identity records of its own.
        if not name.endswith(".debug_pkl") and name not in ("version", "byteorder", ".data/serialization_id"):
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    return stream.getvalue()
