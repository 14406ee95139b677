"""How small a trained network can be made, and what it costs: one point for each rank and storage."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from training.artifact import compression, torchscript
from training.data.images import Images
from training.data.split import Split
from training.evaluation import metrics, predictions
from training.networks.network import Network

_RANKS = (8, 16, 32, 64, 128)


def usual_ranks(network: Network) -> list[int]:
    """The ranks that are measured where none are asked for: those that make the network smaller."""
    return [rank for rank in _RANKS if compression.saves(network, rank)]


def points(network: Network, images: Images, split: Split, ranks: Sequence[int | None]) -> Iterator[dict[str, Any]]:
    """For each rank of the first dense layer (None: as it is) and each storage: bytes of `model.pt`, accuracy, macro-F1.

    float32 is measured for the whole network alone. `agreement` is the share of test images that get the whole network's
    answer. Raises ValueError for a rank the layer does not have.
    """
    whole = _answers(network, images, split)
    for rank in ranks:
        factored = network if rank is None else compression.factorize(network, rank)
        forms = {storage: store(factored).eval() for storage, store in compression.STORAGES.items()}
        for storage, stored in ({"float32": network} | forms if rank is None else forms).items():
            answers = whole if stored is network else _answers(stored, images, split)
            model = torchscript.to_torchscript(stored, temperature=1.0)
            torchscript.open_module(io.BytesIO(model))  # a point that cannot be read back is none
            yield {
                "rank": rank,
                "storage": storage,
                "bytes": len(model),
                **{
                    f"{part}_{name}": value for part in answers for name, value in _figures(answers[part], images, split.rows(part)).items()
                },
                "agreement": float((answers["test"].argmax(1) == whole["test"].argmax(1)).float().mean()),
            }


def _answers(network: Network, images: Images, split: Split) -> dict[str, Tensor]:
    """Logits [N,species] on validation and test."""
    return {part: predictions.logits(network, images.pixels[split.rows(part)]) for part in ("validation", "test")}


def _figures(logits: Tensor, images: Images, rows: list[int]) -> dict[str, float]:
    labels = images.labels[rows]
    return {"accuracy": metrics.accuracy(logits, labels), "macro_f1": metrics.macro_f1(logits, labels)}
