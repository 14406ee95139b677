"""Masks from LabelMe's own files."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from training.__main__ import main
from training.data import annotations, masked_photos
from training.errors import DataError

WIDTH, HEIGHT = 60, 40
SQUARE = [[10, 5], [20, 5], [20, 25], [10, 25]]  # 200 pixels


@pytest.fixture
def field(tmp_path):
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    for name in ("one.png", "two.jpg"):
        Image.new("RGB", (WIDTH, HEIGHT), (90, 70, 50)).save(tmp_path / "images" / name)
    return tmp_path


def shape(points, kind="polygon", label="plant", **more):
    return {"label": label, "points": points, "group_id": None, "description": "", "shape_type": kind, "flags": {}, "mask": None} | more


def write(folder, shapes, photo="one.png", **changes):
    """As LabelMe 5 writes it."""
    document = {"version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": photo, "imageData": None}
    file = folder / "labels" / f"{photo[-7:-4]}.json"
    file.write_text(json.dumps(document | {"imageHeight": HEIGHT, "imageWidth": WIDTH} | changes))
    return file


def painted(mask):
    stream = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def mask_of(field, name="one.png"):
    return masked_photos.read(field / "images" / name)[1]


def test_a_folder_of_files_becomes_masks(field, capsys):
    write(field, [shape(SQUARE), shape([[20, 5], [30, 5], [30, 25], [20, 25]], label="weed")])
    write(field, [], "..\\images\\two.jpg")
    assert main(["photo-segmenter", "masks", str(field / "labels"), "--photos", str(field / "images")]) == 0
    assert "wrote 2 masks" in capsys.readouterr().out
    mask = mask_of(field)
    assert (mask[10, 15], mask[10, 25], mask[2, 2]) == (1, 2, 0)
    assert not mask_of(field, "two.jpg").any()


@pytest.mark.parametrize("points", [SQUARE, SQUARE[::-1], SQUARE[2:] + SQUARE[:2]])
def test_the_order_of_corners_is_the_same_to_it(field, points):
    annotations.write_masks([write(field, [shape(points)])], field / "images")
    mask = mask_of(field)
    assert np.count_nonzero(mask) == pytest.approx(200, rel=0.2)  # with its outline
    assert mask[6:24, 11:19].all()


def test_rectangles_circles_and_painted_masks(field):
    known = np.zeros((5, 7), bool)
    known[1:4, 2:6] = True
    shapes = [
        shape([[20, 25], [10, 5]], "rectangle"),  # from its lower right corner
        shape([[40, 20], [40, 30]], "circle"),
        shape([[51, 33], [57, 37]], "mask", mask=painted(known)),
        shape([[5, 30], [9, 26], [13, 30], [9, 34]], "oriented_rectangle"),
    ]
    annotations.write_masks([write(field, shapes)], field / "images")
    mask = mask_of(field)
    assert np.count_nonzero(mask == 1) == pytest.approx(200, rel=0.2)
    assert np.count_nonzero(mask == 2) == pytest.approx(np.pi * 100, rel=0.15)
    assert (mask[33:38, 51:58] == 3 * known).all()
    assert np.count_nonzero(mask == 4) == pytest.approx(32, rel=0.3)


def test_shapes_of_a_group_are_one_plant_and_ground_is_cut_out(field):
    shapes = [
        shape(SQUARE, group_id=3),
        shape([[40, 5], [50, 5], [50, 25], [40, 25]], group_id=3),
        shape([[30, 30], [38, 30], [38, 38], [30, 38]], group_id=3, label="weed"),
        shape([[12, 10], [18, 10], [18, 20], [12, 20]], label="Soil"),
    ]
    annotations.write_masks([write(field, shapes)], field / "images")
    mask = mask_of(field)
    assert (mask[7, 15], mask[10, 45], mask[34, 34], mask[15, 15]) == (1, 1, 3, 0)


@pytest.mark.parametrize(
    ("shapes", "changes", "words"),
    [
        ([shape([[1, 2], [3, 4]])], {}, "shape 0 ('plant'), of 'one.png': a polygon has x and y of three corners"),
        ([shape(SQUARE), shape([[1, 2]], "point", "weed")], {}, "shape 1 ('weed'), of 'one.png': a point has no area; draw the outline"),
        ([shape([[1, 2], [3, 4], [5, 6]], "linestrip")], {}, "a linestrip has no area"),
        ([shape([[1, 2]], "circle")], {}, "a circle has two points"),
        ([shape([[1, 2], [float("nan"), 4], [5, 6]])], {}, "three corners"),
        ([shape([[1, 2, 3]])], {}, "shapes.0.points.0"),
        ([shape(SQUARE, "hexagon")], {}, "shapes.0.shape_type"),
        ([shape([[1, 1], [3, 3]], "mask", mask=painted(np.ones((4, 4), bool)))], {}, "its mask is 4×4, its points say 3×3"),
        ([shape([[58, 1], [60, 3]], "mask", mask=painted(np.ones((3, 3), bool)))], {}, "reaches beyond the photo"),
        ([shape([[1, 1], [3, 3]], "mask", mask="é")], {}, "its mask is no PNG"),
        ([shape([[1, 1], [3, 3]], "mask")], {}, "its mask is no PNG"),
        ([], {"imageWidth": 61}, "one.json 61×40; annotate the very same file"),
        (
            [],
            {"imageWidth": HEIGHT, "imageHeight": WIDTH},
            "or one that is saved as it is shown: a program that draws outlines may not turn",
        ),
        ([], {"imageHeight": None}, "imageHeight"),
        ([], {"imagePath": "../../secret.png"}, "images/secret.png is not there"),
        ([], {"imagePath": None}, "open it in LabelMe and save it again"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(field, shapes, changes, words):
    with pytest.raises(DataError) as raised:
        annotations.write_masks([write(field, shapes, **changes)], field / "images")
    assert words in str(raised.value)
    assert len(str(raised.value)) < 500
    assert not (field / "masks").exists()


def test_a_folder_without_files(field):
    with pytest.raises(DataError, match="holds no JSON file with outlines; name the folder where CVAT or LabelMe"):
        annotations.write_masks([field / "labels"], field / "images")
