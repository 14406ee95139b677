"""The script for small machines answers as the service does, and needs none of its packages."""

import ast
import functools
import hashlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from edge import predict
from models_store import colour, pixels, store
from models_store.manifest import Familiarity, Input
from service.answers import answer
from service.inference.predictor import Prediction
from tests import drawn, fakes
from tests.training.conftest import Tiny
from training import networks
from training.artifact import formats, torchscript
from training.artifact.ood_distance import Distance

SCRIPT = Path(predict.__file__)


NAMES = (
    *("large.jpg", "upright.jpg", "small.jpg", "grey.jpg", "inks.jpg", "p3.jpg", "profile of another kind.png"),
    *("clear.png", "clear.webp", "palette.png", "bits.png", "wide grey.png", "photo.webp"),
    *(f"turned {orientation}.jpg" for orientation in range(2, 9)),
    "turned.png",
)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    """Drawn photos, one for each thing that decoding has to get right."""
    leaf = drawn.plant(1, 1, 640).crop((0, 40, 640, 520))
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()  # of another kind of image: ignored
    clear = drawn.plant(2, 2, 301).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    grey = np.asarray(drawn.plant(3, 3, 200).convert("L")).astype(np.uint16) * 257
    found = {
        "large.jpg": drawn.encoded(drawn.plant(0, 0, 1601), "JPEG", quality=90),
        "upright.jpg": drawn.encoded(leaf, "JPEG"),
        "small.jpg": drawn.encoded(drawn.plant(4, 4, 97), "JPEG"),
        "grey.jpg": drawn.encoded(leaf.convert("L"), "JPEG", icc_profile=p3()),
        "inks.jpg": drawn.encoded(leaf.convert("CMYK"), "JPEG"),
        "p3.jpg": drawn.encoded(leaf, "JPEG", icc_profile=p3()),
        "profile of another kind.png": drawn.encoded(leaf, "PNG", icc_profile=linear),
        "clear.png": drawn.encoded(clear, "PNG"),
        "clear.webp": drawn.encoded(clear, "WEBP", lossless=True),
        "palette.png": drawn.encoded(leaf.quantize(16), "PNG"),
        "bits.png": drawn.encoded(leaf.convert("1"), "PNG"),
        "wide grey.png": drawn.encoded(Image.fromarray(grey), "PNG"),
        "photo.webp": drawn.encoded(leaf, "WEBP"),
    }
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        found[f"turned {orientation}.jpg"] = drawn.encoded(leaf, "JPEG", exif=exif)
    found["turned.png"] = drawn.encoded(leaf, "PNG", exif=exif)
    assert tuple(found) == NAMES
    return found


def p3() -> bytes:
    """The profile of a phone's colours, from the code points of Display P3."""
    profile = colour.coded(12, 13)
    assert profile is not None
    return profile


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> Path:
    """A version with a model.onnx, whose limit half of the photos keep."""
    torch.manual_seed(0)
    network = Tiny(3).eval().requires_grad_(requires_grad=False)
    images = torch.from_numpy(np.stack([pixels.decode(body) for body in files.values()]))
    logits = network(images.float() / 255)
    network.get_submodule([name for name, layer in network.named_modules() if isinstance(layer, torch.nn.Linear)][-1]).bias -= logits.mean(
        0
    )
    temperature = 0.3 * float(logits.std(0).mean())  # so sharp, and so centred, that photos have answers of their own
    activations = images.float() / 255
    for layer in network.convolutions[: networks.halfway(network)]:
        activations = layer(activations)
    distance = Distance(activations.mean((2, 3)).clamp(min=0).sqrt() + 0.1 * torch.rand(len(images), 1))
    content = torchscript.to_torchscript(network, temperature, distance)
    module = torchscript.open_module(io.BytesIO(content))
    beside = formats.files(("onnx",), network, temperature, distance, module, images[:3])
    ordered = module.answer(images)[1].sort().values
    limit = float(ordered[9:11].mean())  # between two photos: no rounding decides
    familiarity = Familiarity(convolution=1, limit=limit, limit_rule="fixed", validation_share=0.5)
    described = functools.partial(fakes.manifest, familiarity=familiarity, threshold=0.9, promise=0.9, kind=0.7, group=0.6)

    def describe(version: int, sha256: str, size_bytes: int):
        digests = {name: hashlib.sha256(body).hexdigest() for name, body in beside.items()}
        made = described(version, sha256, size_bytes)
        return made.model_copy(update={"files": made.files | digests, "input": Input(size=150)})

    return store.publish(tmp_path_factory.mktemp("store"), content, describe, lambda _: "# tiny\n", "seedlings", beside)


def run(*words: object, script: Path = SCRIPT) -> subprocess.CompletedProcess[str]:
    """The script as its own process, which sees nothing of this repository."""
    command = [sys.executable, "-I", str(script), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_it_needs_onnxruntime_pillow_and_numpy_alone():
    nodes = list(ast.walk(ast.parse(SCRIPT.read_text())))
    imported = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module.split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    assert imported - sys.stdlib_module_names == {"onnxruntime", "PIL", "numpy"}


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_those_of_the_service(name, files):
    with pixels.opened(files[name]) as picture:
        expected = picture.square(150)
    found, crop = predict.square(files[name], 150)
    np.testing.assert_array_equal(found, expected.pixels)
    assert crop == list(expected.crop)


def test_answers_are_those_of_the_service(published, files, tmp_path):
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
    shutil.copy(SCRIPT, tmp_path / "copied.py")
    (tmp_path / "model").mkdir()
    for name in ("model.onnx", "manifest.json"):
        shutil.copy(published / name, tmp_path / "model")
    done = run(tmp_path / "model", *[tmp_path / name for name in files], "--threads", 1, script=tmp_path / "copied.py")
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    manifest, module = torchscript.load(published)
    for (name, body), found in zip(files.items(), answers, strict=True):
        with pixels.opened(body) as picture:
            looked_at = picture.square(manifest.input.size)
        probabilities, distances = module.answer(torch.from_numpy(looked_at.pixels)[None])
        prediction = Prediction(
            SimpleNamespace(manifest=manifest, version=published.name),
            probabilities[0].numpy(),
            float(distances[0]),
            decode_s=0,
            queue_s=0,
            inference_s=0,
            batch_size=1,
            crop=looked_at.crop,
        )
        expected = answer(prediction)
        assert found.pop("file") == str(tmp_path / name)
        assert [*found] == [*expected]
        assert found.pop("probabilities") == pytest.approx(expected.pop("probabilities"), abs=0.01), name
        for key in ("probability", "ood_score"):
            assert found.pop(key) == pytest.approx(expected.pop(key), rel=0.01), (name, key)
        if found["answer"] is not None:
            expected["answer"]["probability"] = pytest.approx(expected["answer"]["probability"], abs=0.01)
        assert found == expected, name
    assert len({found["species"] for found in answers}) > 1
    assert {found["familiar"] for found in answers} == {True, False}
    assert len({found["answer"] and found["answer"]["rank"] for found in answers}) > 1


def changed(published: Path, folder: Path, **fields: object) -> Path:
    """A copy of a version with other fields in its manifest."""
    shutil.copytree(published, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | fields))
    return folder


def test_a_second_model_answers_what_it_answers_in_the_service(published, files, tmp_path, capsys):
    outdoors = changed(published, tmp_path / "outdoors", name="outdoors")
    paths = [tmp_path / name for name in files]
    for path in paths:
        path.write_bytes(files[path.name])
    words = [str(published), *map(str, paths), "--threads", "1"]
    lines = []
    for more in ([], ["--second", str(outdoors)]):
        assert predict.main([*words, *more]) == 0
        lines.append([json.loads(line) for line in capsys.readouterr().out.splitlines()])
    alone, both = lines
    served = SimpleNamespace(manifest=torchscript.load(published)[0])
    beyond = [
        Prediction(served, np.array([*one["probabilities"].values()]), one["ood_score"], 0, 0, 0, 1, one["crop"]).beyond_it for one in alone
    ]
    assert {*beyond} == {True, False}
    for one, other, second in zip(alone, both, beyond, strict=True):
        assert other == one | {"model": {"name": "outdoors" if second else "seedlings", "version": "1"}}


@pytest.mark.parametrize("score", [0.84, 0.86, 1.2])
def test_a_second_model_is_asked_from_the_same_share_of_the_limit_on_as_in_the_service(score):
    familiarity = Familiarity(convolution=1, limit=1, limit_rule="fixed", validation_share=0.5)
    served = SimpleNamespace(manifest=fakes.manifest(1, "0" * 64, 1, familiarity=familiarity, threshold=None))
    beyond = Prediction(served, np.array(fakes.shares((90, 80, 70)), np.float32), score, 0, 0, 0, 1, (0, 0, 9, 9)).beyond_it
    first = SimpleNamespace(answer=lambda _: {"answer": None, "ood_score": score, "ood_limit": 1.0})
    second = SimpleNamespace(answer=lambda _: {"answer": None})
    assert ("ood_score" not in predict.answer(b"", first, second)) == beyond == (score > 0.85)


def test_a_second_model_of_other_species_is_refused(published, tmp_path, capsys):
    species = json.loads((published / "manifest.json").read_text())["species"]
    other = changed(published, tmp_path / "other", species=species[::-1])
    assert predict.main([str(published), "--second", str(other), "photo.jpg"]) == 2
    assert "knows other species than" in capsys.readouterr().err


def test_a_photo_that_cannot_be_read_is_a_line_that_says_why(published, files, tmp_path):
    photos = {
        "none.jpg": None,
        "text.jpg": b"not a photo",
        "empty.png": b"",
        "cut.jpg": files["upright.jpg"][:2000],
        "good.jpg": files["upright.jpg"],
    }
    for name, body in photos.items():
        if body is not None:
            (tmp_path / name).write_bytes(body)
    done = run(published, *[tmp_path / name for name in photos])
    assert (done.returncode, done.stderr) == (1, "")
    *failed, good = [json.loads(line) for line in done.stdout.splitlines()]
    details = [one["problem"]["detail"] for one in failed]
    assert details[:3] == [
        "the file cannot be read (No such file or directory)",
        "the file is no JPEG, PNG or WebP; save it as one of these",
        "the file is empty",
    ]
    assert details[3].startswith("the JPEG cannot be decoded: ")
    assert "problem" not in good


def test_too_few_and_too_many_pixels_are_refused():
    for size, reason in (((7, 90), "each side needs at least 8"), ((8001, 8000), "more than the 64000000 allowed; scale it down")):
        with pytest.raises(predict.UnreadablePhoto, match=reason):
            predict.square(drawn.encoded(Image.new("1", size), "PNG"), 150)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder, _: folder.joinpath("model.onnx").unlink(), r"model\.onnx cannot be read \(No such file"),
        (lambda folder, _: folder.joinpath("model.onnx").write_bytes(b"other"), r"is not the file that manifest\.json names"),
        (lambda folder, _: folder.joinpath("manifest.json").write_text("{"), "is no manifest of a published version"),
        (lambda _, manifest: manifest["files"].pop("model.onnx"), r"names no model\.onnx; publish the model with: .* --format onnx"),
        (lambda _, manifest: manifest.update(min_reader_schema=99), "is of a newer release than this script"),
        (lambda _, manifest: manifest.update(task="segmentation"), "is not of a model that tells the species"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(published, tmp_path, change, reason):
    folder = tmp_path / "model"
    shutil.copytree(published, folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    before = json.dumps(manifest)
    change(folder, manifest)
    if json.dumps(manifest) != before:
        (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(predict.UnusableModel, match=reason):
        predict.Model(folder)


def test_a_wrong_call_says_what_to_do(tmp_path, capsys):
    assert predict.main([str(tmp_path), "photo.jpg"]) == 2
    assert "exported with --format onnx" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        predict.main([str(tmp_path), "photo.jpg", "--threads", "-1"])
