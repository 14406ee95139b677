import asyncio
import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models_store import pixels
from service.inference.decoder import Decoder
from tests import drawn
from training.data.images import load
from training.errors import DataError, DiskError


@pytest.fixture
def folder(tmp_path):
    return drawn.folder(tmp_path / "data", species=2, images=3)


def test_pixels_labels_and_names_go_together(folder, tmp_path):
    images = load(folder, tmp_path / "cache")
    assert images.species == ["Charlock", "Maize"]  # by name, whatever the file system's order
    assert images.pixels.shape == (6, 3, 150, 150)
    for row, file in enumerate(images.files):
        assert (images.pixels[row].numpy() == pixels.decode(folder / file)).all()
        assert file.startswith(images.species[images.labels[row]])


def test_decoded_once_and_again_after_a_change(folder, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    before = load(folder, cache)
    with monkeypatch.context() as patched:
        patched.setattr(pixels, "opened", lambda *_: pytest.fail("decoded again"))
        assert (load(folder, cache).pixels == before.pixels).all()
    drawn.plant(5, 99).save(folder / "Maize" / "000.png")
    assert not (load(folder, cache).pixels == before.pixels).all()


def test_no_half_written_cache_after_a_broken_image(folder, tmp_path):
    (folder / "Maize" / "001.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    with pytest.raises(DataError, match=r"Maize/001\.png: .*replace the file or remove it"):
        load(folder, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: shutil.rmtree(root), "does not exist"),
        (lambda root: [shutil.rmtree(entry) for entry in root.iterdir()], "holds no images"),
        (
            lambda root: [
                shutil.copy(root / "Maize" / "000.png", root / "x.png"),
                shutil.rmtree(root / "Maize"),
                shutil.rmtree(root / "Charlock"),
            ],
            r"x\.png lies outside",
        ),
        (lambda root: shutil.rmtree(root / "Maize"), "holds one species, Charlock"),
        (lambda root: [file.unlink() for file in (root / "Maize").iterdir()], "Maize holds no images"),
        (lambda root: shutil.copy(root / "Maize" / "000.png", root / "x.png"), r"x\.png lies outside of every species' folder; move it"),
        (lambda root: shutil.copy(root / "Maize" / "000.png", root / "Maize" / os.fsdecode(b"\xe9.png")), r"Maize/\\xe9\.png. has a name"),
        (
            lambda root: (root / "Maize").rename(root / os.fsdecode(b"Ma\xefs")),
            r"Ma\\xefs/000\.png. has a name that is not UTF-8 or steers terminals; rename it",
        ),
        (lambda root: (root / "Maize").rename(root / "Ma\ni\x1b[1mze"), r"Ma\\ni\\x1b\[1mze/000\.png. has a name that"),
        (lambda root: (root / "Maize" / "x.png").symlink_to("nowhere"), r"Maize/x\.png has the name of an image, but is no file"),
        (lambda root: (root / "Maize").rename(root / "masks"), "masks holds masks, no species; name a folder with photos of single plants"),
        (lambda root: shutil.copytree(root / "Maize", root / "maize "), r"'Maize' and 'maize ' are one name to people; keep one"),
        (
            lambda root: [
                (root / "Maize").rename(root / "M\N{LATIN SMALL LETTER A WITH DIAERESIS}"),
                shutil.copytree(root / "Charlock", root / "Ma\N{COMBINING DIAERESIS}"),
            ],
            "are one name to people",
        ),
        (lambda root: (root / "Maize" / "x.png").touch(), r"Maize/x\.png: the file is empty; replace"),
        (lambda root: [(root / "New").mkdir(), (root / "x.png").touch()], r"New holds no images.*and 1 more; list them with"),
        (lambda root: shutil.copy(root / "Maize" / "000.png", root / "Charlock" / "x.png"), "the same image under two species"),
    ],
)
def test_what_is_wrong_is_named(folder, tmp_path, spoil, message):
    spoil(folder)
    with pytest.raises(DataError, match=message):
        load(folder, tmp_path / "cache")


def test_a_full_disk_is_named(folder, tmp_path, monkeypatch):
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, 0))
    with pytest.raises(DiskError, match="free space"):
        load(folder, tmp_path / "cache")


def test_other_files_are_left_alone(folder, tmp_path):
    (folder / "README.txt").write_text("notes")
    (folder / "Maize" / "notes.txt").write_text("notes")
    (folder / "Maize" / "._000.png").write_bytes(b"what another system leaves behind")
    (folder / ".cache").mkdir()
    (folder / "@eaDir" / "Maize").mkdir(parents=True)
    (folder / "@eaDir" / "Maize" / "000.png").write_bytes(b"a preview")
    assert len(load(folder, tmp_path / "cache").files) == 6


def test_images_in_deeper_folders_count_for_their_species(folder, tmp_path):
    (folder / "Maize" / "field 2" / "may").mkdir(parents=True)
    drawn.plant(0, 50).convert("RGB").save(folder / "Maize" / "field 2" / "may" / "1.jfif", "JPEG")
    images = load(folder, tmp_path / "cache")
    assert "Maize/field 2/may/1.jfif" in images.files
    assert images.labels.tolist().count(images.species.index("Maize")) == 4


def test_the_pixels_are_those_that_the_service_sees(folder, tmp_path):
    """Of the same bytes: turned, in the colours of a phone, of 16 bits, and decoded at a scale."""
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = drawn.plant(1, 1, 700)
    phone = (Path(__file__).parents[2] / "models_store" / "hard_cases" / "seedling_icc_P3.png").read_bytes()
    wide = Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257)
    for name, body in {
        "a.jpg": drawn.encoded(photo, "JPEG", exif=exif),
        "b.png": phone,
        "c.tif": drawn.encoded(wide, "TIFF"),
        "d.heic": drawn.encoded(photo, "HEIF"),
    }.items():
        (folder / "Maize" / name).write_bytes(body)
    images = load(folder, tmp_path / "cache")
    decoder = Decoder(2, pixels.MAX_PIXELS)
    for file, found in zip(images.files, images.pixels, strict=True):
        decoded = asyncio.run(decoder.decode((folder / file).read_bytes(), pixels.SIZE))
        assert (decoded.pixels == found.numpy()).all(), file
    decoder.close()
