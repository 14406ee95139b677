import io
import os
import zipfile

import pytest

from tests import drawn
from training.__main__ import main
from training.data import images


@pytest.fixture
def kaggle(tmp_path, monkeypatch):
    """Stands in for Kaggle's command, which needs the net and somebody's credentials: delivers the bytes given to it."""

    def deliver(content: bytes, status: int = 0) -> None:
        (tmp_path / "archive").write_bytes(content)
        program = tmp_path / "bin" / "kaggle"
        program.parent.mkdir(exist_ok=True)
        # called as: kaggle competitions download -c NAME -p FOLDER
        program.write_text(f'#!/bin/sh\n[ {status} = 0 ] && cp "{tmp_path}/archive" "$6/$4.zip"\nexit {status}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)

    return deliver


def archive():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as zipped:
        for label in range(2):
            for number in range(3):
                image = io.BytesIO()
                drawn.plant(label, number, side=40).save(image, "PNG")
                zipped.writestr(f"train/{drawn.SPECIES[label]}/{number}.png", image.getvalue())
        zipped.writestr("test/1.png", b"")
        zipped.writestr("train/../../outside.png", b"")
    return stream.getvalue()


def test_images_are_laid_out_by_species(kaggle, tmp_path):
    kaggle(archive())
    assert main(["data", "fetch", str(tmp_path / "images")]) == 0
    assert images.scan(tmp_path / "images").counts() == {"Charlock": 3, "Maize": 3}
    assert not (tmp_path / "outside.png").exists()
    assert not list(tmp_path.glob(".fetching*"))


@pytest.mark.parametrize(("content", "status", "message"), [(b"", 1, "exit status 1"), (b"<html>", 0, "damaged"), (None, 0, "has changed")])
def test_what_goes_wrong_is_said_and_leaves_nothing(kaggle, tmp_path, capsys, content, status, message):
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    kaggle(empty.getvalue() if content is None else content, status)
    assert main(["data", "fetch", str(tmp_path / "images")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "images").exists()


def test_without_kaggles_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["data", "fetch", str(tmp_path / "images")]) == 1
    assert "pip install kaggle" in capsys.readouterr().err
