"""The same answers in other formats than TorchScript: `model.pt2` of torch.export, and `model.onnx` for ONNX Runtime.

Either takes uint8 [N,3,S,S] of any N ≥ 1 and gives probabilities float32 [N,species], calibrated, and behind them, where `model.pt`
measures it, the distance float32 [N]. Those of a segmenter take and give what its `model.pt` does.
"""

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

import torch
import torch.fx.experimental._config
from torch import Tensor, nn

from models_store import installing
from training.artifact.ood_distance import Distance
from training.artifact.torchscript import MULTIPLE, Exported, Measured, MeasuredByPlant, exported
from training.errors import RunError
from training.networks.network import Network

Format = Literal["torchscript", "pt2", "onnx", "int8"]
FORMATS: tuple[Format, ...] = get_args(Format)
FILES: dict[Format, str] = {"pt2": "model.pt2", "onnx": "model.onnx", "int8": "model.int8.onnx"}  # beside model.pt, which every version has
COMPARED = 8  # images on which formats are compared
TOLERANCE = 1e-4  # of a probability, and of a distance as a share of it
CLASSIFIER_OUTPUTS, SEGMENTER_OUTPUTS = ("probabilities", "distances"), ("plant", "near", "afar")  # as they are called in ONNX
_MULTIPLES = 1024  # a photo's width and height are at most so many times what they are multiples of
_Answers = tuple[Tensor, ...]
_Asked = Callable[[Tensor], _Answers]


class _AnswerAsForward(nn.Module):
    """All that `model.pt` answers with, as `forward`: other formats have no methods beside it."""

    def __init__(self, exported: Exported) -> None:
        super().__init__()
        self.exported = exported

    def forward(self, images: Tensor) -> _Answers:
        if isinstance(self.exported, Measured | MeasuredByPlant):
            return self.exported.answer(images)
        return (self.exported(images),)


def files(
    formats: tuple[Format, ...], network: Network, temperature: float, distance: Distance | None, module: nn.Module, images: Tensor
) -> dict[str, bytes]:
    """File name → content for each of `formats` but TorchScript, compared with it (`module`) on `images`, uint8 [N,3,S,S], N ≥ 2.

    They are asked one at a time, too. Raises RunError where a library is missing, a network cannot be put into a format, or answers
    are more than TOLERANCE apart.
    """
    answering = _AnswerAsForward(exported(network, temperature, distance))
    published: Any = module

    def apart(ask: _Asked) -> float:
        answer: _Asked = (lambda some: (published(some),)) if distance is None else published.answer
        return max(_apart(ask(some), answer(some)) for some in (images, images[:1]))

    free = {0: torch.export.Dim("n", min=1)}
    return _files(formats, answering, images, free, CLASSIFIER_OUTPUTS[: 1 if distance is None else 2], apart)


def segmenter_files(formats: tuple[Format, ...], segmenter: nn.Module, module: nn.Module, photos: list[Tensor]) -> dict[str, bytes]:
    """The same for a segmenter, on `photos`, each uint8 [N,3,H,W] with H and W multiples of `torchscript.MULTIPLE`.

    N, H and W are free in the files. The first of `photos` has two or more images, and H and W of two or more multiples.
    """

    def apart(ask: _Asked) -> float:
        return max(_farthest(ask(some), module(some)) for some in photos)

    height, width = (MULTIPLE * torch.export.Dim(name, min=1, max=_MULTIPLES) for name in "hw")
    free = {0: torch.export.Dim("n", min=1), 2: height, 3: width}
    # Oblivious: else a photo that is as wide or high as one multiple would be taken for a case of its own, and refused.
    with torch.fx.experimental._config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        return _files(formats, segmenter, photos[0], free, SEGMENTER_OUTPUTS, apart)


def _files(
    formats: tuple[Format, ...],
    answering: nn.Module,
    example: Tensor,
    free: dict[int, Any],
    outputs: tuple[str, ...],
    apart: Callable[[_Asked], float],
) -> dict[str, bytes]:
    answering = answering.cpu().eval()
    program, found = None, {}
    for form in dict.fromkeys(formats):
        if form in ("torchscript", "int8"):  # which `quantization` makes of the file for ONNX
            continue
        _check_libraries(form)
        try:
            with _quiet(), torch.no_grad():
                program = program or torch.export.export(answering, (example,), dynamic_shapes=(free,))
                content = _pt2(program) if form == "pt2" else _onnx(program, outputs)
                difference = apart(_open(form, content))
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise RunError(f"this network cannot be put into {FILES[form]} ({reason}); leave {form} out of --format") from error
        if not difference <= TOLERANCE:
            raise RunError(f"{FILES[form]} answers otherwise than model.pt, by {difference:.2g}; leave {form} out of --format")
        found[FILES[form]] = content
    return found


def _check_libraries(form: Format) -> None:
    lacking = [name for name in ("onnx", "onnxruntime", "onnxscript") if form == "onnx" and importlib.util.find_spec(name) is None]
    if lacking:
        raise RunError(f"--format onnx needs {' and '.join(lacking)}: {installing.command('seedlings[onnx]')}")


def _apart(ours: _Answers, published: _Answers) -> float:
    """The largest difference of a probability, and of a distance as a share of it; infinity where shapes differ."""
    if len(published) > 1:
        scale = published[1].abs().clamp(min=1e-6)
        ours, published = (ours[0], *(one / scale for one in ours[1:])), (published[0], published[1] / scale)
    return _farthest(ours, published)


def _farthest(ours: _Answers, published: _Answers) -> float:
    """The largest difference of two values; infinity where shapes differ."""
    if [one.shape for one in ours] != [one.shape for one in published]:
        return float("inf")
    return max(float((one - other).abs().max()) for one, other in zip(ours, published, strict=True))


def _pt2(program: torch.export.ExportedProgram) -> bytes:
    for part in program.graph_module.modules():
        for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # paths on the exporting machine
    stream = io.BytesIO()
    torch.export.save(program, stream)
    return stream.getvalue()


def _onnx(program: torch.export.ExportedProgram, outputs: tuple[str, ...]) -> bytes:
    made = torch.onnx.export(program, dynamo=True, verbose=False, input_names=["images"], output_names=[*outputs])
    assert made is not None  # it is only without dynamo
    proto = made.model_proto
    for graph in (proto.graph, *proto.functions):
        for node in graph.node:
            del node.metadata_props[:]  # they hold paths on the exporting machine
            node.doc_string = ""
    content: bytes = proto.SerializeToString()
    return content


def _open(form: Format, content: bytes) -> _Asked:
    if form == "pt2":
        # The checks of torch refuse one photo to a segmenter that was traced with two. It answers one rightly, which is compared here.
        loaded: _Asked = torch.export.load(io.BytesIO(content)).module(check_guards=False)
        return loaded
    import onnxruntime  # in the extra onnx, and here alone

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda images: tuple(map(torch.from_numpy, session.run(None, {"images": images.numpy()})))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporters say of themselves: what counts is compared afterwards."""
    loggers = [logging.getLogger(name) for name in ("onnxscript", "onnx_ir", "torch.onnx")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
