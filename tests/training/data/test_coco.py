"""Masks from COCO files: polygons, run lengths of both forms, and what is wrong with them."""

import json

import numpy as np
import pytest
from PIL import Image

from training.__main__ import main
from training.data import masked_photos
from training.data.annotations import write_masks
from training.errors import DataError

WIDTH, HEIGHT = 60, 40


def known() -> np.ndarray:
    """The mask of `COMPRESSED`."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5:20, 10:30] = mask[12:35, 25:50] = mask[0, 0] = True
    return mask


COMPRESSED = "01d<>UD0000000000000000000000000000?A00000007I00000000000000000000000000000000000000T<"  # by pycocotools 2.0


@pytest.fixture
def field(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("one.png", "two.jpg"):
        Image.new("RGB", (WIDTH, HEIGHT), (90, 70, 50)).save(tmp_path / "images" / name)
    return tmp_path


def write(folder, annotations, names=("one.png",), **changes):
    images = [{"id": 7 + i, "file_name": name, "width": WIDTH, "height": HEIGHT} | changes for i, name in enumerate(names)]
    (folder / "a.json").write_text(json.dumps({"images": images, "annotations": annotations, "categories": []}))
    return folder / "a.json"


def one(segmentation, image_id=7):
    return {"id": 1, "image_id": image_id, "category_id": 1, "iscrowd": 0, "segmentation": segmentation}


def test_polygons_of_plants_that_touch_stay_two(field, capsys):
    left, right = [10.0, 5, 20, 5, 20, 25, 10, 25], [20, 5, 30, 5, 30, 25, 20, 25]
    file = write(
        field, [one([left]), one([right, [40, 30, 50, 30, 50, 38, 40, 38]]), one([left], 8)], ["default/one.png", "JPEGImages/two.jpg"]
    )
    assert main(["photo-segmenter", "masks", str(file), "--photos", str(field / "images")]) == 0
    said = capsys.readouterr().out
    assert "wrote 2 masks" in said
    assert "without a plant" not in said
    _, mask = masked_photos.read(field / "images" / "one.png")
    assert (mask[10, 15], mask[10, 25], mask[34, 45], mask[2, 2]) == (1, 2, 2, 0)
    assert [np.count_nonzero(mask == value) for value in (1, 2)] == [200, 280]
    assert np.count_nonzero(masked_photos.read(field / "images" / "two.jpg")[1]) == 200


def test_photos_that_nobody_annotated_are_named(field, capsys):
    file = write(field, [one([[-9, -9, 20, 1, 20, 20]])], ["one.png", "two.jpg"])
    assert main(["photo-segmenter", "masks", str(file), "--photos", str(field / "images")]) == 0
    assert "without a plant: 1 of them, two.png\n" in capsys.readouterr().out


@pytest.mark.parametrize("compressed", [False, True])
def test_run_lengths_of_both_forms(field, compressed):
    flat = known().T.ravel()
    ends = np.flatnonzero(np.diff(np.r_[False, flat, not flat[-1]].astype(np.int8)))
    counts = np.diff(np.r_[0, ends]).tolist()
    write_masks([write(field, [one({"size": [HEIGHT, WIDTH], "counts": COMPRESSED if compressed else counts})])], field / "images")
    assert (masked_photos.read(field / "images" / "one.png")[1] == known()).all()


@pytest.mark.parametrize(
    ("annotations", "changes", "words"),
    [
        ([one([[1, 2, 3, 4]])], {}, "annotation 0, of 'one.png': a polygon has x and y of three corners"),
        ([one([])], {}, "it has a box alone"),
        ([one({"size": [40, 60], "counts": [1, 2]})], {}, "do not add up"),
        ([one({"size": [40, 60], "counts": [2500, -100]})], {}, "do not add up"),
        ([one({"size": [60, 40], "counts": [2400]})], {}, "its mask is 40×60, its photo 60×40"),
        ([one({"size": [40, 60], "counts": "é" * 9})], {}, "compressed form"),
        ([one([[1, 2, 3, 4, 5, 6]], 9)], {}, "of image 9"),
        ([one([[60, 1, 90, 1, 90, 30]])], {}, "it lies outside of the photo"),
        ([one([[1, 1, 20, 1, 20, 20], [1, -30, 20, -30, 20, 0]])], {}, "it lies outside of the photo"),
        ([one("text")], {}, "annotations.0.segmentation: neither a list of polygons"),
        ([one([1, 1, 20, 1, 20, 20])], {}, "a list of x and y, nor run lengths"),
        ([one(None)], {}, "annotations.0.segmentation: neither a list of polygons"),
        ([], {"names": ("one.png", "two.jpg"), "id": 3}, "two images have the same id"),
        ([], {"width": 61}, "a.json 61×40; annotate the very same file"),
        ([], {"file_name": "none.png"}, "none.png is not there"),
        ([], {"file_name": "../../secret.png"}, "images/secret.png is not there"),
        ([], {"file_name": "a\0.png"}, r'a\x00.png" is not there'),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(field, annotations, changes, words):
    with pytest.raises(DataError) as raised:
        write_masks([write(field, annotations, **changes)], field / "images")
    assert words in str(raised.value)
    assert len(str(raised.value)) < 500
    assert not (field / "masks").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[]", "not as COCO has it"),
        (b"[" * 99_999, "is no JSON"),
        (b'{"images":[{"id":' + b"9" * 5000 + b"}]}", "is no JSON"),
    ],
    ids=["no end", "no text", "a list", "deep", "a long number"],
)
def test_no_coco_file(field, content, words):
    (field / "a.json").write_bytes(content)
    with pytest.raises(DataError, match=words):
        write_masks([field / "a.json"], field / "images")
    with pytest.raises(DataError, match="cannot be read"):
        write_masks([field / "b.json"], field / "images")


def test_masks_that_are_there_stay_unless_forced(field, capsys):
    file = write(field, [one([[1, 2, 30, 4, 5, 36]])])
    made = write_masks([file], field / "images")
    (mask,) = made.files
    before = mask.read_bytes()
    command = ["photo-segmenter", "masks", str(file), "--photos", str(field / "images")]
    assert main(command) == 0
    assert capsys.readouterr().out == "there already, so left as it was: 1 mask\n"
    others = [one([[30, 5, 40, 5, 40, 25, 30, 25]]), one([[1, 2, 30, 4, 5, 36]], 8)]
    write(field, others, ["one.png", "two.jpg", "moved away.jpg"])
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "wrote 1 mask into" in said
    assert "not what the outlines say: 1 of these, one.png\n--force draws them anew\n" in said
    assert "not among the photos, so left out: 1, moved away.jpg\n" in said
    assert mask.read_bytes() == before
    assert main([*command, "--force"]) == 0
    assert "wrote 2 masks" in capsys.readouterr().out
    assert masked_photos.read(field / "images" / "one.png")[1][10, 35] == 1


def test_categories_of_ground_are_no_plants(field, capsys):
    plant, soil = [10, 5, 20, 5, 20, 25, 10, 25], [12, 10, 18, 10, 18, 20, 12, 20]
    file = write(
        field, [one([plant]), one([soil]) | {"category_id": 2}, one([soil], 8) | {"category_id": "unknown"}], ["one.png", "two.jpg"]
    )
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"categories": [{"id": 1, "name": "beet"}, {"id": 2, "name": " Soil"}, {"id": 3}, None]}))
    assert main(["photo-segmenter", "masks", str(file), "--photos", str(field / "images")]) == 0
    said = capsys.readouterr().out
    assert "labels that count as plants: 'beet' (1), none (1)\nlabels that count as ground: ' Soil' (1)\n" in said
    mask = masked_photos.read(field / "images" / "one.png")[1]
    assert (mask[7, 15], mask[15, 15]) == (1, 0)
