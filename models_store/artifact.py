"""What `model.pt` can do: the names of its methods, and the shapes of what they take and give. Both sides go by this module.

N images, S pixels a side, C channels of a layer, h × w its places. `Array` is the tensor of whoever asks: this package knows none.
"""

from enum import StrEnum
from typing import Generic, NamedTuple, Protocol, TypeVar

Array = TypeVar("Array")


class Answer(NamedTuple, Generic[Array]):
    """What a model says of N images."""

    probabilities: Array  # float32 [N, species]: softmax, calibrated; in the manifest's order
    distances: Array | None  # float32 [N]: from the images that the model was trained on; None: the model does not measure


class Model(Protocol[Array]):
    """What every `model.pt` can do."""

    def forward(self, images: Array) -> Array:
        """Probabilities: uint8 [N,3,S,S] → float32 [N,species]."""


class Explaining(Model[Array], Protocol[Array]):
    """Its forward pass in two halves: `forward` is the softmax of `classify(features(images))`. Saliency is made of them."""

    def features(self, images: Array) -> Array:
        """Activations of the last convolution: uint8 [N,3,S,S] → float32 [N,C,h,w]."""

    def classify(self, features: Array) -> Array:
        """Calibrated logits: float32 [N,C,h,w] → float32 [N,species]."""


class Measuring(Model[Array], Protocol[Array]):
    """It tells how far an image is from those that it was trained on."""

    def distance(self, activations: Array) -> Array:
        """By the activations that the manifest's `familiarity.convolution` names: float32 [N,C,h,w] → float32 [N].

        Where it names none, by the texture that `look` gives.
        """

    def answer(self, images: Array) -> tuple[Array, Array]:
        """`forward` and the distance in one pass: uint8 [N,3,S,S] → float32 [N,species], float32 [N]."""


class PlantViewing(Measuring[Array], Protocol[Array]):
    """It sees the plant alone, and tells how far the texture of the plant is from those that it was trained on."""

    def look(self, images: Array) -> tuple[Array, Array]:
        """What the network behind it is shown, and the texture: uint8 [N,3,S,S] → float32 [N,3,S,S], float32 [N,C,1,1]."""


class Segmenting(Protocol[Array]):
    """What the `model.pt` of a segmenter can do. It tells the plants of a photo from the background."""

    def forward(self, images: Array) -> tuple[Array, Array, Array]:
        """Probabilities of plant, and of a plant's centre as seen from near and from afar.

        uint8 [N,3,H,W] → float32 [N,H,W], [N,H/4,W/4], [N,H/16,W/16]. From near plants are found up to about 150 pixels, from afar
        larger ones.
        """


class TellingClumps(Segmenting[Array], Protocol[Array]):
    """It tells parts that hold several plants from single plants, too."""

    def clump_probability(self, parts: Array) -> Array:
        """How probable it is that a part holds several plants: uint8 [P,4,64,64], as `models_store.clumps` makes them → float32 [P]."""


ANSWER, LOOK = Measuring.answer.__name__, PlantViewing.look.__name__  # kept by name where a module is frozen


class Capability(StrEnum):
    """What a `model.pt` can do beyond `forward`, as it stands in its manifest."""

    EXPLAIN = "explain"  # it is `Explaining`
    MEASURE = "measure"  # it is `Measuring`
    LOOK = "look"  # it is `PlantViewing`
    CLUMPS = "clumps"  # it is `TellingClumps`


_PROTOCOLS = {
    Capability.EXPLAIN: Explaining,
    Capability.MEASURE: Measuring,
    Capability.LOOK: PlantViewing,
    Capability.CLUMPS: TellingClumps,
}


def capabilities(module: object) -> list[Capability]:
    """What a loaded `model.pt` can do, by the methods that it has."""
    # A scripted module has its methods by `__getattr__`, which `isinstance` does not see.
    return [
        capability
        for capability, protocol in _PROTOCOLS.items()
        if all(hasattr(module, name) for of in protocol.__mro__ for name in vars(of) if not name.startswith("_"))
    ]
