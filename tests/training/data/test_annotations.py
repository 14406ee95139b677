"""Which outlines of a folder become masks, and when."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from training.__main__ import main
from training.data import annotations, masked_photos, masks
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
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"images": images, "annotations": plants}))
    return file


def make_newer(file, than):
    os.utime(file, ns=(than.stat().st_mtime_ns + 10**9,) * 2)


def drawn(folder):
    made = annotations.draw_missing(folder)
    return [] if made is None else [mask.name for mask in made.files]


@pytest.mark.parametrize("place", ["", "annotations", "images"])
@pytest.mark.parametrize("named", ["", "images"])
def test_outlines_are_found(field, place, named):
    (field / place).mkdir(exist_ok=True)
    coco(field / place / "a.json", ["p0.png", "p1.jpg"])
    (field / place / "results.JSON").write_text("{}")
    found = drawn(field / named)
    assert sorted(found) == ([] if (place, named) == ("", "images") else ["p0.png", "p1.png"])
    assert drawn(field / named) == []


def test_what_cvat_exports_is_read_as_it_is(field):
    """Photos in folders, two of one name, in two parts; some were annotated in another file than the one that names them first."""
    for part in ("Train", "Validation"):
        (field / "images" / part / "tray 1").mkdir(parents=True)
        for name in ("p0.png", "tray 1/p0.png"):
            Image.new("RGB", (WIDTH, HEIGHT), (90, 70, 50)).save(field / "images" / part / name)
    for name in ("p0.png", "p1.jpg"):
        (field / "images" / name).unlink()
    (field / "annotations").mkdir()
    coco(field / "annotations" / "instances_Train.json", ["p0.png", "tray 1/p0.png"])
    coco(field / "annotations" / "instances_Validation.json", ["p0.png"], OTHER)
    later = coco(field / "annotations" / "later" / "instances_Validation.json", ["tray 1/p0.png", "p0.png"], OTHER)
    document = json.loads(later.read_text())
    later.write_text(json.dumps(document | {"annotations": document["annotations"][:1]}))
    assert len(drawn(field)) == 4
    photos = masked_photos.files(field)
    assert masked_photos.home(field) == masked_photos.home(photos[0].parent.parent) == field
    seen = [masked_photos.read(photo)[1][10, [15, 35]].tolist() for photo in photos]
    assert seen == [[1, 0], [1, 0], [0, 1], [0, 1]]
    assert masks.file(photos[1]) == field / "masks" / "Train" / "tray 1" / "p0.png"
    annotations.check_apart(photos)


def test_a_photo_that_a_file_does_not_name_is_told_with_the_file(field):
    (field / "annotations").mkdir()
    file = coco(field / "annotations" / "instances_default.json", ["p0.png"])
    assert drawn(field) == ["p0.png"]
    with pytest.raises(DataError, match=rf"p1\.jpg has no mask .*elsewhere \(it is not in {file}\)"):
        masked_photos.read(field / "images" / "p1.jpg")


def test_it_has_to_be_clear_which_photo_is_meant(field):
    for tray in ("1", "2"):
        (field / "images" / tray).mkdir()
        Image.new("RGB", (WIDTH, HEIGHT)).save(field / "images" / tray / "p0.png")
    (field / "images" / "p0.png").unlink()
    coco(field / "c.json", ["elsewhere/p0.png"])
    with pytest.raises(DataError, match=r"c\.json: 'p0\.png' may be .*1/p0\.png or .*2/p0\.png; give one of them another name"):
        annotations.draw_missing(field)


def test_two_photos_do_not_share_a_mask(tmp_path):
    """Two days with a camera that counts from 1 each day, each folder with LabelMe's files."""
    for day, points in (("monday", SQUARE), ("tuesday", OTHER)):
        (tmp_path / day).mkdir()
        Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / day / "p0.png")
        labelme(tmp_path / day / "p0.json", "p0.png", points)
    assert drawn(tmp_path / "monday") == ["p0.png"]
    with pytest.raises(DataError, match=r"masks/p0\.png is another one than .*tuesday/p0\.json draws, and may be of .*monday/p0\.png"):
        annotations.draw_missing(tmp_path / "tuesday")
    days = [tmp_path / day / "p0.png" for day in ("monday", "tuesday")]
    with pytest.raises(DataError, match=r"would be the mask of .*monday/p0\.png and of .*tuesday/p0\.png"):
        annotations.check_apart(days)
    assert masks.file(days[0]) == masks.file(days[1]) == tmp_path / "masks" / "p0.png"
    (tmp_path / "masks" / "p0.png").unlink()
    assert drawn(tmp_path) == ["p0.png", "p0.png"]
    (tmp_path / "masks" / "p0.png").touch()  # of an earlier day
    annotations.check_apart(days)
    assert [masked_photos.read(photo)[1][10, 35] for photo in days] == [0, 1]


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
    with pytest.raises(DataError, match=r"copy\.json and .*p0\.json: 2 times there are outlines of .*p0\.png; leave one file for each"):
        annotations.draw_missing(field)


def test_the_masks_of_a_folder_called_a_dot_lie_beside_it(field, monkeypatch, capsys):
    monkeypatch.chdir(field / "images")
    coco(field / "c.json")
    assert main(["photo-segmenter", "masks", "../c.json", "--photos", "."]) == 0
    assert f"wrote 1 mask into {field / 'masks'}" in capsys.readouterr().out
    assert (field / "masks" / "p0.png").is_file()
    assert not (field / "images" / "masks").exists()
