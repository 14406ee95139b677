"""Which outlines of a folder become masks, and when."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from training.__main__ import main
from training.data import annotations, masked_photos
from training.errors import DataError

WIDTH, HEIGHT = 60, 40
SQUARE, OTHER = [[10, 5], [20, 5], [20, 25], [10, 25]], [[30, 5], [40, 5], [40, 25], [30, 25]]


@pytest.fixture
def field(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("p0.png", "p1.jpg"):
        Image.new("RGB", (WIDTH, HEIGHT), (90, 70, 50)).save(tmp_path / "images" / name)
    return tmp_path


def labelme(file, photo, points=SQUARE):
    shapes = [{"label": "plant", "points": points, "shape_type": "polygon"}]
    file.write_text(json.dumps({"shapes": shapes, "imagePath": photo, "imageWidth": WIDTH, "imageHeight": HEIGHT}))
    return file


def coco(file, names=("p0.png",), points=SQUARE):
    images = [{"id": i, "file_name": name, "width": WIDTH, "height": HEIGHT} for i, name in enumerate(names)]
    plants = [{"image_id": i, "segmentation": [[value for point in points for value in point]]} for i in range(len(names))]
    file.write_text(json.dumps({"images": images, "annotations": plants}))
    return file


def make_newer(file, than):
    os.utime(file, ns=(than.stat().st_mtime_ns + 10**9,) * 2)


def drawn(folder):
    made = annotations.draw_missing(folder)
    return [] if made is None else [mask.name for mask in made.files]


@pytest.mark.parametrize("place", ["", "annotations", "images"])
def test_outlines_are_found(field, place):
    (field / place).mkdir(exist_ok=True)
    file = coco(field / place / "a.json")
    assert annotations.outlines_in(field) == (file, field / "images")
    (field / place / "b.JSON").write_text("{}")
    with pytest.raises(DataError, match=r"holds 2 JSON files; leave the one"):
        annotations.outlines_in(field)
    labelme(file, "p0.png")
    assert annotations.outlines_in(field) == (field / place, field / "images")


def test_outlines_of_photos_in_two_folders_are_not_clear(field):
    assert annotations.outlines_in(field) is None
    assert annotations.outlines_in(field / "none") is None
    (field / "more").mkdir()
    Image.new("RGB", (WIDTH, HEIGHT)).save(field / "more" / "three.png")
    coco(field / "a.json")
    with pytest.raises(DataError, match="photos lie in 2 folders"):
        annotations.outlines_in(field)


def test_what_is_annotated_later_is_drawn_later(field):
    (field / "masks").mkdir()
    photos = field / "images"
    labelme(photos / "p0.json", "p0.png")
    assert drawn(photos) == ["p0.png"]
    with pytest.raises(DataError, match=r"p1\.jpg has no mask .*p1\.png; draw one"):
        masked_photos.read(photos / "p1.jpg")
    labelme(photos / "p1.JSON", "p1.jpg")
    with pytest.raises(DataError, match=r"p1\.jpg has no mask .*; photo-segmenter masks makes one of .*p1\.JSON, its outlines"):
        masked_photos.read(photos / "p1.jpg")
    assert drawn(field) == ["p1.png"]
    assert drawn(field) == []


@pytest.mark.parametrize("write", [labelme, coco])
def test_outlines_that_changed_do_not_leave_an_old_mask(field, write):
    photos, mask = field / "images", field / "masks" / "p0.png"
    names = "p0.png" if write is labelme else ["p0.png"]
    file = write(photos / "p0.json", names)
    assert drawn(photos) == ["p0.png"]
    make_newer(file, mask)  # as where it was copied
    assert drawn(photos) == []
    make_newer(write(file, names, OTHER), mask)
    with pytest.raises(DataError, match=r"p0\.json is newer than .*masks/p0\.png, and its outlines are others; remove the mask"):
        annotations.draw_missing(photos)
    mask.unlink()
    assert drawn(photos) == ["p0.png"]
    assert (masked_photos.read(photos / "p0.png")[1] > 0)[10, [15, 35]].tolist() == [False, True]


def test_beside_masks_other_files_do_not_matter(field):
    photos = field / "images"
    (field / "masks").mkdir()
    for name in ("p0", "p1"):
        Image.fromarray(np.ones((HEIGHT, WIDTH), np.uint8)).save(field / "masks" / f"{name}.png")
    for name, content in (("a.json", "{}"), ("b.json", "broken"), ("c.json", "[]")):
        (photos / name).write_text(content)
    assert drawn(photos) == drawn(field) == []
    coco(field / "d.json", ["p0.png", "p1.jpg", "moved elsewhere.jpg"])
    os.utime(field / "d.json", (0, 0))
    assert drawn(field) == []


def test_two_files_of_one_photo_are_both_named(field):
    for name in ("p0.json", "copy.json"):
        labelme(field / "images" / name, "p0.png")
    with pytest.raises(DataError, match=r"copy\.json and .*p0\.json: 2 photos would have the mask p0\.png; leave one file for each"):
        annotations.draw_missing(field)


def test_the_masks_of_a_folder_called_a_dot_lie_beside_it(field, monkeypatch, capsys):
    monkeypatch.chdir(field / "images")
    coco(field / "c.json")
    assert main(["photo-segmenter", "masks", "../c.json", "--photos", "."]) == 0
    assert f"wrote 1 masks into {field / 'masks'}" in capsys.readouterr().out
    assert (field / "masks" / "p0.png").is_file()
    assert not (field / "images" / "masks").exists()
