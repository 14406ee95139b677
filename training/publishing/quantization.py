"""`model.onnx` in 8 bits, weights and activations: `model.int8.onnx`, quicker and for those who ask for it.

Post-training static quantisation (Jacob et al., 2018, *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
Inference*) by ONNX Runtime: one scale for each channel of the weights and for each activation, this by the least and the largest value on
training images. Layers without which too much would be lost stay in float32.
"""

import contextlib
import importlib.util
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models_store import installing, rollup, temporary
from models_store.manifest import Calibration, Int8, Species
from training.data.images import Images
from training.data.split import Split
from training.errors import RunError

CALIBRATED = 128  # training images, by which the activations' scales are found
LOST = 0.002  # share of the validation images: so many fewer may be right, and so many may change sides at the limit of familiar ones
_AT_ONCE = 32
_WORK = ".seedlings-int8-"
_LAYERS = ("Conv", "Gemm", "MatMul")

Pixels = NDArray[np.uint8]  # [N,3,S,S]
_Answers = list[NDArray[np.float32]]  # a network's outputs, each [N,…]
_Says = Callable[[_Answers], list[object]]  # what is said of each image


def of_split(onnx: bytes, images: Images, split: Split, species: Sequence[Species], calibration: Calibration) -> tuple[bytes, Int8]:
    """`quantized` by training images of all species, measured on the validation images. Raises RunError, also where there are none."""
    if not split.validation:
        raise RunError("int8 is measured on validation images, and the network has learnt from all images; leave int8 out of --format")
    few = split.train[:: max(1, len(split.train) // CALIBRATED)][:CALIBRATED]
    held = images.only(split.validation)
    limit = None if calibration.familiarity is None else calibration.familiarity.limit

    def says(answers: _Answers) -> list[object]:
        familiar = [True] * len(answers[0]) if limit is None else (answers[1] <= limit).tolist()
        said = [rollup.narrowest(species, calibration, row) for row in answers[0].tolist()]
        return [(one.rank, one.name) if one and near else None for one, near in zip(said, familiar, strict=True)]

    return quantized(onnx, images.pixels[few], held.pixels, held.labels, limit, says)


def quantized(
    onnx: bytes, calibration: Tensor, validation: Tensor, labels: Tensor, limit: float | None, says: _Says | None = None
) -> tuple[bytes, Int8]:
    """The content of `model.int8.onnx` for that of a `model.onnx`, and what it is worth.

    calibration, validation: uint8 [N,3,S,S], of training and of validation; labels: int64 [N], of the latter; limit: of familiar images, by
    the network's second output; says: what is said of each image, to count where that is another thing. First all layers are
    quantised. While more than LOST is lost, one more stays in float32, first the one that loses most where it is the only one in
    8 bits. Raises RunError where a library is missing, or where one layer alone loses too much.
    """
    lacking = [name for name in ("onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if lacking:
        raise RunError(f"--format int8 needs {' and '.join(lacking)}: {installing.command('seedlings[onnx]')}")
    images, held, right = calibration.numpy(), validation.numpy(), labels.numpy()
    with temporary.work_folder(_WORK) as folder, _quiet():
        work = _Quantizer(folder, onnx, images)
        before = _answers(onnx, held)

        def worth(kept: list[str]) -> tuple[bytes, Int8, float]:
            content = work.without(kept)
            return content, *_compared(_answers(content, held), before, right, limit, says, kept)

        content, found, apart = worth([])
        if _fits(found):
            return content, found
        alone = {name: worth([other for other in work.layers if other != name])[1:] for name in work.layers}
        order = sorted(alone, key=lambda name: (_lost(alone[name][0]), alone[name][1]), reverse=True)
        for count in range(1, len(order)):
            content, found, apart = worth(order[:count])
            if _fits(found):
                return content, found
    raise RunError(
        f"in 8 bits {found.right} of {found.n} validation images are right, in float32 {found.right_float}, and probabilities are up to"
        f" {apart:.2g} apart; leave int8 out of --format"
    )


class _Quantizer:
    """One network to be quantised several times."""

    def __init__(self, folder: Path, onnx: bytes, images: Pixels) -> None:
        from onnxruntime.quantization.shape_inference import quant_pre_process

        self._images, self._source, self._made = images, folder / "prepared.onnx", folder / "made.onnx"
        given = folder / "given.onnx"
        given.write_bytes(onnx)
        quant_pre_process(str(given), str(self._source), skip_symbolic_shape=True)
        import onnx as library

        nodes = library.load(str(self._source)).graph.node
        self.layers = [node.name for node in nodes if node.op_type in _LAYERS]

    def without(self, kept: list[str]) -> bytes:
        """With all layers in 8 bits but `kept`."""
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

        quantize_static(
            str(self._source),
            str(self._made),
            _Reader(self._images),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*_LAYERS],
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=kept,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return self._made.read_bytes()


class _Reader:
    """Images as ONNX Runtime asks for them."""

    def __init__(self, images: Pixels) -> None:
        self._batches = iter([images[first : first + _AT_ONCE] for first in range(0, len(images), _AT_ONCE)])

    def get_next(self) -> dict[str, Pixels] | None:
        """The next images; None after the last ones."""
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def _answers(content: bytes, images: Pixels) -> _Answers:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    parts = [session.run(None, {"images": images[first : first + _AT_ONCE]}) for first in range(0, len(images), _AT_ONCE)]
    return [np.concatenate(one) for one in zip(*parts, strict=True)]


def _compared(
    after: _Answers, before: _Answers, labels: NDArray[Any], limit: float | None, says: _Says | None, kept: list[str]
) -> tuple[Int8, float]:
    """What it is worth, and the largest difference of a probability."""
    right: Callable[[_Answers], int] = lambda answers: int((answers[0].argmax(1) == labels).sum())  # noqa: E731
    other_side = None if limit is None else int(((after[1] <= limit) != (before[1] <= limit)).sum())
    other_answer = None if says is None else sum(one != other for one, other in zip(says(after), says(before), strict=True))
    found = Int8(
        n=len(labels),
        right=right(after),
        right_float=right(before),
        other_side=other_side,
        other_answer=other_answer,
        float_layers=kept,
    )
    return found, float(np.abs(after[0] - before[0]).max())


def _lost(found: Int8) -> int:
    return max(found.right_float - found.right, found.other_side or 0)


def _fits(found: Int8) -> bool:
    return _lost(found) <= LOST * found.n


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The library says much of what does not matter here: what counts is measured."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
