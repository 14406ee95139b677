"""A published version gets more formats; its model.pt and the rest of its manifest stay."""

import io
import json

import numpy as np
import onnxruntime
import pytest
import torch

from models_store import pixels, store
from tests import drawn, fakes
from tests.edge.test_predict import run
from training.__main__ import main
from training.artifact import formats, torchscript
from training.errors import TrainingError
from training.publishing.convert import convert


def loaded(file):
    if file.suffix == ".pt2":
        return torch.export.load(io.BytesIO(file.read_bytes())).module(check_guards=False)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda images: [torch.from_numpy(one) for one in session.run(None, {"images": images.numpy()})]


@pytest.mark.slow
# Shapes free in n, and in h and w of a segmenter, that the comparison at publishing did not use.
@pytest.mark.parametrize(
    ("artifact", "forms", "shapes"),
    [
        ("seedlings/3", "pt2", [(1, 3, 150, 150), (5, 3, 150, 150)]),  # it has a model.onnx already
        ("seedlings-field/2", "onnx", [(1, 3, 150, 150), (5, 3, 150, 150)]),
        ("seedlings-segmenter/14", "pt2,onnx", [(1, 3, 192, 64), (3, 3, 128, 320), (1, 3, 384, 512)]),
    ],
)
def test_models_that_come_with_the_project_answer_alike_in_all_formats(artifact, forms, shapes, tmp_path, capsys):
    assert main(["convert", "--artifact", artifact, "--store", str(tmp_path), "--format", forms]) == 0
    told, names = capsys.readouterr().out, [f"model.{form}" for form in forms.split(",")]
    assert all(f"{name} has" in told for name in names)
    source, folder = store.SHIPPED_STORE / artifact, tmp_path / artifact.split("/")[0] / "1"
    before, after = store.verify(source), store.verify(folder)
    assert {*after.files} == {*before.files, *names}
    beside = [loaded(folder / name) for name in formats.FILES.values() if name in after.files]
    assert "model.onnx" in after.files
    assert after.model_dump(exclude={"version", "files"}) == before.model_dump(exclude={"version", "files"})
    assert (folder / "model.pt").read_bytes() == (source / "model.pt").read_bytes()
    assert f"the same network as {' and '.join(names)}" in (folder / "card.md").read_text()
    module = (torchscript.load_segmenter if after.task == "segmentation" else torchscript.load)(folder)[1]
    for shape in shapes:
        images = torch.from_numpy(np.random.default_rng(7).integers(0, 256, shape, np.uint8))
        turns = ([], [3], [2], [2, 3]) if after.task == "segmentation" else ([],)  # whichever half is the brighter one
        for shown in (images.flip(sides) for sides in turns):
            with torch.inference_mode():
                published = module.answer(shown) if hasattr(module, "answer") else module(shown)
            published = published if isinstance(published, tuple) else (published,)
            for answers in beside:
                with torch.no_grad():
                    found = answers(shown)
                assert len(found) == len(published)
                for ours, theirs in zip(found, published, strict=True):
                    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    if after.task == "classification":
        the_script_for_small_machines_answers_photos_as_model_pt_does(folder, after, module, tmp_path)


def the_script_for_small_machines_answers_photos_as_model_pt_does(folder, manifest, module, tmp_path):
    files = [tmp_path / f"{species}.jpg" for species in range(4)]
    for species, file in enumerate(files):
        file.write_bytes(drawn.encoded(drawn.plant(species, 1, 640), "JPEG"))
    done = run(folder, *files)
    assert (done.returncode, done.stderr) == (0, "")
    for file, line in zip(files, done.stdout.splitlines(), strict=True):
        found = json.loads(line)
        images = torch.from_numpy(pixels.decode(file.read_bytes()))[None]
        with torch.inference_mode():
            expected = module(images)[0].numpy()
            distance = float(module.answer(images)[1][0]) if manifest.calibration.familiarity else None
        assert np.abs(expected - [*found["probabilities"].values()]).max() < 1e-4
        assert found["ood_score"] == (None if distance is None else pytest.approx(distance, rel=1e-4))
        assert found["model"] == {"name": manifest.name, "version": "1"}


def test_what_cannot_be_converted_is_said(tmp_path, capsys):
    with pytest.raises(TrainingError, match=r"manifest\.json is missing"):
        convert(tmp_path, tmp_path / "store", ("onnx",))
    folder = fakes.publish(tmp_path / "store")
    assert main(["convert", "--artifact", str(folder), "--store", str(tmp_path / "other")]) == 1
    assert "is not of a network that its manifest and this release name" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_8_bits_need_the_images_of_the_training(tmp_path, capsys):
    assert main(["convert", "--artifact", "seedlings/3", "--store", str(tmp_path), "--format", "int8"]) == 1
    assert "give their folder with --data DIR" in capsys.readouterr().err
    assert not [*tmp_path.iterdir()]
