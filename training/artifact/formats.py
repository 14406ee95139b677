"""The same answers in other formats than TorchScript: `model.pt2` of torch.export, and `model.onnx` for ONNX Runtime.

Either takes uint8 [N,3,S,S] of any N ≥ 1 and gives probabilities float32 [N,species], calibrated, and behind them, where `model.pt`
measures it, the distance float32 [N].
"""

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from training.artifact.mahalanobis import Distance
from training.artifact.torchscript import Exported, Measured
from training.errors import RunError
from training.networks.network import Network

Format = Literal["torchscript", "pt2", "onnx"]
FORMATS: tuple[Format, ...] = get_args(Format)
FILES: dict[Format, str] = {"pt2": "model.pt2", "onnx": "model.onnx"}  # beside model.pt, which every version has
COMPARED = 8  # images on which formats are compared
TOLERANCE = 1e-4  # of a probability, and of a distance as a share of it
_Answers = tuple[Tensor, ...]
_Asked = Callable[[Tensor], _Answers]


class _Answering(nn.Module):
    """All that `model.pt` answers with, as `forward`: other formats have no methods beside it."""

    def __init__(self, exported: Exported) -> None:
        super().__init__()
        self.exported = exported

    def forward(self, images: Tensor) -> _Answers:
        if isinstance(self.exported, Measured):
            return self.exported.answer(images)
        return (self.exported(images),)


def files(
    formats: tuple[Format, ...], network: Network, temperature: float, distance: Distance | None, module: nn.Module, images: Tensor
) -> dict[str, bytes]:
    """File name → content for each of `formats` but TorchScript, compared with it (`module`) on `images`, uint8 [N,3,S,S], N ≥ 2.

    They are asked one at a time, too. Raises RunError where a library is missing, a network cannot be put into a format, or answers
    are more than TOLERANCE apart.
    """
    exported = Exported(network, temperature) if distance is None else Measured(network, temperature, distance)
    answering = _Answering(exported).cpu().eval()
    found = {}
    for form in dict.fromkeys(formats):
        if form == "torchscript":
            continue
        _check_libraries(form)
        try:
            with _quiet(), torch.no_grad():
                program = torch.export.export(answering, (images,), dynamic_shapes=({0: torch.export.Dim("n", min=1)},))
                content = _pt2(program) if form == "pt2" else _onnx(program)
                ask = _open(form, content)
                apart = max(_apart(ask(some), _published(module, distance, some)) for some in (images, images[:1]))
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise RunError(f"this network cannot be put into {FILES[form]} ({reason}); leave {form} out of --format") from error
        if not apart <= TOLERANCE:
            raise RunError(f"{FILES[form]} answers otherwise than model.pt, by {apart:.2g}; leave {form} out of --format")
        found[FILES[form]] = content
    return found


def _check_libraries(form: Format) -> None:
    lacking = [name for name in ("onnx", "onnxruntime", "onnxscript") if form == "onnx" and importlib.util.find_spec(name) is None]
    if lacking:
        raise RunError(f"--format onnx needs {' and '.join(lacking)}; install the extra onnx: pip install 'seedlings[onnx]'")


def _published(module: nn.Module, distance: Distance | None, images: Tensor) -> _Answers:
    answer: Any = module
    return (answer(images),) if distance is None else tuple(answer.answer(images))


def _apart(ours: _Answers, published: _Answers) -> float:
    """The largest difference of a probability, and of a distance as a share of it; infinity where shapes differ."""
    if [one.shape for one in ours] != [one.shape for one in published]:
        return float("inf")
    apart = [(ours[0] - published[0]).abs().max()]
    if len(published) > 1:
        apart.append(((ours[1] - published[1]).abs() / published[1].abs().clamp(min=1e-6)).max())
    return float(torch.stack(apart).max())


def _pt2(program: torch.export.ExportedProgram) -> bytes:
    for part in program.graph_module.modules():
        for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # paths on the exporting machine
    stream = io.BytesIO()
    torch.export.save(program, stream)
    return stream.getvalue()


def _onnx(program: torch.export.ExportedProgram) -> bytes:
    made = torch.onnx.export(program, dynamo=True, verbose=False, input_names=["images"], output_names=_names(program))
    assert made is not None  # it is only without dynamo
    proto = made.model_proto
    for graph in (proto.graph, *proto.functions):
        for node in graph.node:
            del node.metadata_props[:]  # they hold paths on the exporting machine
            node.doc_string = ""
    content: bytes = proto.SerializeToString()
    return content


def _names(program: torch.export.ExportedProgram) -> list[str]:
    return ["probabilities", "distances"][: len(program.graph_signature.user_outputs)]


def _open(form: Format, content: bytes) -> _Asked:
    if form == "pt2":
        loaded: _Asked = torch.export.load(io.BytesIO(content)).module()
        return loaded
    import onnxruntime  # type: ignore[import-untyped]  # in the extra onnx, and here alone

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
