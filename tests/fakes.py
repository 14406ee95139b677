"""Small artifacts and small images for the tests."""

import datetime
import functools
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from models_store import store
from models_store.manifest import (
    Calibration,
    Familiarity,
    Figures,
    Input,
    Kind,
    Manifest,
    PhotoInput,
    PlantThresholds,
    RankThreshold,
    SegmenterManifest,
    SegmenterTraining,
    Species,
    SpeciesFigures,
    Training,
)

SEGMENTER = "seedlings-segmenter"
SIZE = 16  # pixels a side of the fake models' input, to keep them quick
KINDS: tuple[Kind, ...] = ("grass crop", "broadleaf crop", "broadleaf weed")  # of the three, where thresholds of kinds are asked for
NAMES = ("Maize", "Sugar beet", "Charlock")
TOO_FEW = "too few images"
DARK = 0.9  # the brightest pixel of an image that `Measured` knows the like of


class Shares(nn.Module):
    """The share of each colour channel in the image's brightness: an answer that a test can compute."""

    def forward(self, pixels: Tensor) -> Tensor:
        sums = pixels.float().sum(dim=[2, 3]) + 1e-3  # [n, 3]
        return sums / sums.sum(dim=1, keepdim=True)


class Halves(nn.Module):
    """In two halves, as real artifacts are: each species is spoken for by one colour, where that colour is."""

    @torch.jit.export
    def features(self, pixels: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(pixels.float() / 255, 4)  # [n, 3, size / 4, size / 4]

    @torch.jit.export
    def classify(self, features: Tensor) -> Tensor:
        return 8 * features.mean(dim=[2, 3])  # [n, 3]

    def forward(self, pixels: Tensor) -> Tensor:
        return self.classify(self.features(pixels)).softmax(1)


class Measured(Halves):
    """As Halves, and tells how far an image is from those trained on: those are as dark as `DARK`, or darker."""

    @torch.jit.export
    def distance(self, activations: Tensor) -> Tensor:
        return activations.amax(dim=[1, 2, 3])  # [n]

    @torch.jit.export
    def answer(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(pixels)
        return self.classify(features).softmax(1), self.distance(features)


class Convolving(nn.Module):
    """A convolution and a dense layer of fixed random weights: a chain of layers as real artifacts are."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layers = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32 * (SIZE - 2) ** 2, len(NAMES)))

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.layers(pixels.to(torch.float32) / 255)
        return logits.softmax(1)


class PlantViewing(Convolving):
    """As Convolving, behind a view; those it was trained on are as dark as `DARK`, or darker."""

    @torch.jit.export
    def look(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        images = pixels.to(torch.float32) / 255
        return torch.lerp(images, images.mean(dim=[2, 3], keepdim=True), images), images.amax(dim=[2, 3], keepdim=True)

    @torch.jit.export
    def distance(self, activations: Tensor) -> Tensor:
        return activations.amax(dim=[1, 2, 3])  # [n]

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.layers(self.look(pixels)[0])
        return logits.softmax(1)

    @torch.jit.export
    def answer(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        shown, texture = self.look(pixels)
        return self.layers(shown).softmax(1), self.distance(texture)


class Turned(nn.Module):
    """As Shares with the species turned by one: tells versions apart."""

    def forward(self, pixels: Tensor) -> Tensor:
        sums = pixels.float().sum(dim=[2, 3]) + 1e-3
        return torch.roll(sums / sums.sum(dim=1, keepdim=True), 1, 1)


class Fragile(nn.Module):
    """As Shares, but raises when an image is all black and gives NaN when one is all white."""

    def forward(self, pixels: Tensor) -> Tensor:
        sums = pixels.float().sum(dim=[2, 3])  # [n, 3]
        if bool((sums.sum(dim=1) == 0).any()):
            raise RuntimeError("a black image")
        white = (sums == 255.0 * pixels.size(2) * pixels.size(3)).all(dim=1, keepdim=True)
        return torch.where(white, torch.full_like(sums, float("nan")), sums / sums.sum(dim=1, keepdim=True))


class Slow(nn.Module):
    """As Shares, after a lot of work: about 0.1 s an image."""

    def forward(self, pixels: Tensor) -> Tensor:
        sums = pixels.float().sum(dim=[2, 3]) + 1e-3
        work = torch.ones(600, 600)
        for _ in range(int(8 * pixels.size(0))):
            work = (work @ work).clamp(0, 1)
        return sums / sums.sum(dim=1, keepdim=True) + 0 * work[0, 0]


class Logits(nn.Module):
    """Forgets the softmax: an artifact to be refused."""

    def forward(self, pixels: Tensor) -> Tensor:
        return pixels.float().mean(dim=[2, 3])


class TooNarrow(nn.Module):
    """Two outputs where the manifest names three species."""

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.full((pixels.size(0), 2), 0.5)


class Green(nn.Module):
    """A segmenter: what is green or yellow is plant, and a centre is what is yellow."""

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        red, green, blue = pixels.float().unbind(1)  # [n, h, w]
        plant = ((green > blue + 60) & (green > 90)).float()
        centre = plant * (red > 180).float()
        near = nn.functional.avg_pool2d(centre[:, None], 4)[:, 0]
        return plant, near, nn.functional.max_pool2d(near[:, None], 4)[:, 0]


class Telling(Green):
    """As Green; a part holds several plants where the middle of its crop is no plant, and something bluer than it is red."""

    @torch.jit.export
    def clump_probability(self, parts: Tensor) -> Tensor:
        """uint8 [P,4,S,S] → float32 [P]."""
        red, _, blue, mask = parts[:, :, 32, 32].float().unbind(1)
        return ((mask == 0) & (blue > red)).float()


class Unsure(Green):
    """As Green, but what it says of parts is not a number."""

    @torch.jit.export
    def clump_probability(self, parts: Tensor) -> Tensor:
        """uint8 [P,4,S,S] → float32 [P]."""
        return parts[:, 0, 0, 0].float() / 0 * 0


class Blinded(Green):
    """As Green, but fails for a photo with anything green on it."""

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        _, green, blue = pixels.float().unbind(1)
        if bool((green > blue + 60).any()):
            raise RuntimeError("something green")
        return pixels[:, 0].float() / 255, pixels[:, 0, ::4, ::4].float() / 255, pixels[:, 0, ::16, ::16].float() / 255


class Middle(nn.Module):
    """A segmenter that takes the middle of any photo for one plant."""

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        plant = torch.zeros_like(pixels[:, 0], dtype=torch.float32)  # [n, h, w]
        height, width = plant.size(1), plant.size(2)
        plant[:, height // 4 : height - height // 4, width // 4 : width - width // 4] = 1.0
        return plant, nn.functional.avg_pool2d(plant[:, None], 4)[:, 0], nn.functional.avg_pool2d(plant[:, None], 16)[:, 0]


class Broken(nn.Module):
    """A segmenter that forgets its centres."""

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        plant = pixels.float()[:, 0] / 255
        return plant, plant[0], plant[0, 0]


@functools.cache
def scripted(network: type[nn.Module]) -> bytes:
    """The bytes of `model.pt` for one of the networks above."""
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(network().eval()), stream)
    return stream.getvalue()


def manifest(
    version: int = 1,
    sha256: str = "0" * 64,
    size_bytes: int = 1,
    *,
    name: str = "seedlings",
    familiarity: Familiarity | None = None,
    threshold: float | None = 0.5,
    promise: float | None = None,
    kind: float | None = None,
    group: float | None = None,
) -> Manifest:
    """A manifest of three species that passes all checks; without a threshold it gives `TOO_FEW` as the reason.

    With a threshold for kinds its species have `KINDS`; without those for kind and group it is one of an older release.
    """
    per_species = {species: SpeciesFigures(precision=1, recall=1, f1=1, n=1) for species in NAMES}
    confusion = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    return Manifest(
        name=name,
        version=version,
        created=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        species=[
            Species(name=name, group="weed" if name == "Charlock" else "crop", kind=None if kind is None else of_kind)
            for name, of_kind in zip(NAMES, KINDS, strict=True)
        ],
        input=Input(size=SIZE),
        calibration=Calibration(
            temperature=1,
            threshold=threshold,
            threshold_reason=None if threshold is not None else TOO_FEW,
            threshold_rule="fixed",
            promise=promise,
            kind=None if kind is None else RankThreshold(threshold=kind),
            group=None if group is None else RankThreshold(threshold=group),
            validation_coverage=1,
            validation_accuracy=1,
            familiarity=familiarity,
        ),
        figures=Figures(split="test", n=3, accuracy=1, macro_f1=1, ece=0, per_species=per_species, confusion=confusion),
        training=Training(
            network="fake", parameters=0, recipe={}, seed=0, epoch=1, split_digest="0", images={}, torch_version=str(torch.__version__)
        ),
        files={store.MODEL: sha256},
        size_bytes=size_bytes,
    )


def publish(root: Path, network: type[nn.Module] = Shares, name: str = "seedlings", **calibration: float | None) -> Path:
    """Publish the next version of a fake model; `calibration` is its thresholds and its promise."""
    measured = {Measured: 1, PlantViewing: None}  # → the convolution
    familiarity = (
        Familiarity(convolution=measured[network], limit=DARK, limit_rule="fixed", validation_share=1) if network in measured else None
    )
    describe = functools.partial(manifest, name=name, familiarity=familiarity, **calibration)
    return store.publish(root, scripted(network), describe, lambda _: "# fake\n", name)


def segmenter_manifest(
    version: int = 1, sha256: str = "0" * 64, size_bytes: int = 1, *, name: str = SEGMENTER, clump: float | None = None
) -> SegmenterManifest:
    """The manifest of a segmenter that passes all checks."""
    return SegmenterManifest(
        name=name,
        version=version,
        created=datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        input=PhotoInput(side=512, multiple=64, enlarged=2),
        thresholds=PlantThresholds(plant=0.5, centre=0.5, doubt=0.2, clump=clump),
        figures=[],
        training=SegmenterTraining(
            network="fake", parameters=0, steps=1, seed=0, masks=[], start=None, split_digest="0", images=0, torch_version="0"
        ),
        files={store.MODEL: sha256},
        size_bytes=size_bytes,
    )


def publish_segmenter(root: Path, network: type[nn.Module] = Green, name: str = SEGMENTER, *, clump: float | None = None) -> Path:
    """Publish the next version of a fake segmenter."""
    describe = functools.partial(segmenter_manifest, name=name, clump=clump)
    return store.publish(root, scripted(network), describe, lambda _: "# fake\n", name)


def field(plants: Sequence[tuple[int, int, int]], size: tuple[int, int] = (512, 384), *, centres: bool = False) -> Image.Image:
    """A photo of green discs, each of column, row and radius, on a brown background; with yellow middles that `Green` takes for centres."""
    photo = Image.new("RGB", size, (110, 85, 60))
    draw = ImageDraw.Draw(photo)
    for x, y, radius in plants:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(40, 150, 40))
    for x, y, radius in plants if centres else ():
        draw.ellipse((x - radius // 3, y - radius // 3, x + radius // 3, y + radius // 3), fill=(230, 220, 40))
    return photo


def encoded(photo: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A photo as a file."""
    stream = io.BytesIO()
    photo.save(stream, kind, **options)
    return stream.getvalue()


def image(colour: tuple[int, int, int] = (200, 40, 10), kind: str = "PNG", side: int = SIZE) -> bytes:
    """An image file of one colour."""
    stream = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(stream, kind)
    return stream.getvalue()


def shares(colour: tuple[int, int, int]) -> np.ndarray:
    """What `Shares` answers to an image of one colour."""
    sums = np.array(colour, np.float64) * SIZE * SIZE + 1e-3
    return sums / sums.sum()
