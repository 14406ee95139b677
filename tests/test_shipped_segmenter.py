"""The shipped segmenter: its files, and what it finds where the answer is known."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from models_store import canopy, store
from models_store.manifest import SegmenterManifest
from service.settings import Settings
from tests import drawn
from tests.service.conftest import Running, serve
from tests.service.http.routes.test_detect import detected, overlap
from tests.service.inference.test_run_lengths import decoded

FOLDER = store.resolve(store.SHIPPED_STORE, "seedlings-segmenter")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Running:
    """The service as `make serve` starts it, but for a store of its own, empty, so that the shipped models answer."""
    with serve(Settings(store=tmp_path_factory.mktemp("empty"), max_batch=4)) as running:
        running.wait_ready()
        running.wait_for(lambda: running.services.segmenters.current, "the segmenter is loaded")
        yield running


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def leaves_of(plant: Image.Image) -> Image.Image:
    """The mask of a drawn plant, 0 or 255: its leaves are of one colour, the commonest."""
    colours, counts = np.unique(np.asarray(plant).reshape(-1, 3), axis=0, return_counts=True)
    return Image.fromarray((np.asarray(plant) == colours[counts.argmax()]).all(-1).astype(np.uint8) * 255)


def bed() -> tuple[Image.Image, list[list[int]]]:
    """Four drawn seedlings, apart on brown soil, and their boxes."""
    random = np.random.default_rng(0)
    soil = np.array([105, 82, 62]) + random.normal(0, 12, (150, 200, 1)) + random.normal(0, 3, (150, 200, 3))
    photo = Image.fromarray(soil.clip(0, 255).astype(np.uint8)).resize((1000, 750), Image.Resampling.BICUBIC)
    boxes = []
    for species, (x, y) in enumerate([(80, 90), (420, 150), (760, 60), (300, 480)]):
        plant = drawn.plant(species, 1)
        mask = leaves_of(plant)
        photo.paste(plant, (x, y), mask)
        left, top, right, bottom = mask.getbbox() or (0, 0, 0, 0)
        boxes.append([x + left, y + top, right - left, bottom - top])
    return photo, boxes


def test_it_is_small_and_says_what_it_learnt_from() -> None:
    manifest = store.verify(FOLDER)
    assert isinstance(manifest, SegmenterManifest)
    assert manifest.size_bytes <= 6_000_000
    card = (FOLDER / "card.md").read_text()
    for found in manifest.figures:
        assert found.learnt_from in card
        assert found.iou > found.green_otsu_iou
        assert found.iou > found.green_fixed_iou


@pytest.mark.slow
def test_plants_apart_on_soil_are_found_each(service: Running) -> None:
    photo, boxes = bed()
    found = [plant["box"] for plant in detected(service, png(photo))["plants"]]
    for box in boxes:
        assert max(overlap(box, one) for one in found) > 0.5


@pytest.mark.slow
def test_masks_of_small_plants_on_a_large_photo_end_where_leaves_do(service: Running) -> None:
    """48 drawn plants of 4% of the width, which the segmenter sees at a third of their size. Its masks alone are too wide."""
    random = np.random.default_rng(3)
    soil = np.array([120, 95, 72]) * np.exp(random.normal(0, 0.12, (560, 750, 1))) + random.normal(0, 3, (560, 750, 3))
    photo = Image.fromarray(soil.clip(0, 255).astype(np.uint8)).resize((3000, 2240), Image.Resampling.BICUBIC)
    truth = Image.new("L", photo.size)
    for number in range(48):
        plant = drawn.plant(number % 6, number, 110)
        at = 120 + number % 8 * 370 + int(random.integers(0, 40)), 120 + number // 8 * 350 + int(random.integers(0, 40))
        mask = leaves_of(plant)
        photo.paste(plant, at, mask)
        truth.paste(mask, at, mask)
    answer = detected(service, png(photo.filter(ImageFilter.GaussianBlur(1))), "?masks=rle")
    found = np.any([decoded(plant["segmentation"]["counts"], *photo.size) for plant in answer["plants"]], axis=0)
    leaves = np.asarray(truth) > 0
    assert (found & leaves).sum() / (found | leaves).sum() > 0.74  # 0.63 without edges by colour
    assert 0.9 < answer["cover"]["all"] / leaves.mean() < 1.1  # 1.29


@pytest.mark.slow
def test_a_mirrored_photo_gives_mirrored_boxes(service: Running) -> None:
    photo, _ = bed()
    ahead = detected(service, png(photo))["plants"]
    back = detected(service, png(ImageOps.mirror(photo)))["plants"]
    mirrored = [[1000 - x - width, y, width, height] for x, y, width, height in (plant["box"] for plant in back)]
    assert ahead
    for plant in ahead:
        assert max(overlap(plant["box"], box) for box in mirrored) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("colour", [(30, 60, 200), (250, 250, 250), (110, 85, 60), (0, 0, 0)])
def test_a_page_of_one_colour_holds_no_plant(service: Running, colour: tuple[int, int, int]) -> None:
    answer = detected(service, png(Image.new("RGB", (800, 600), colour)))
    assert (answer["plants"], answer["cover"]["all"]) == ([], 0)


@pytest.mark.slow
def test_a_tinted_camera_finds_the_same_plants(service: Running) -> None:
    photo, _ = bed()
    usual = [plant["box"] for plant in detected(service, png(photo))["plants"]]
    for tint in ((0.8, 1.0, 1.3), (1.2, 1.0, 0.8), (1.0, 0.8, 1.0)):
        changed = Image.fromarray((np.asarray(photo) * tint).round().clip(0, 255).astype(np.uint8))
        boxes = [plant["box"] for plant in detected(service, png(changed))["plants"]]
        assert len(usual) <= len(boxes) <= len(usual) + 2  # tips of leaves
        for box in usual:
            assert max(overlap(box, one) for one in boxes) > 0.7


@pytest.mark.slow
def test_soil_in_greenish_light_is_no_lawn(service: Running) -> None:
    photo, boxes = bed()
    random = np.random.default_rng(1)
    shade, hue = (random.normal(0, spread, (75, 100, of)).repeat(10, 0).repeat(10, 1) for spread, of in ((0.15, 1), (8, 3)))
    green = Image.fromarray(((np.asarray(photo) * np.exp(shade) + hue) * (1, 1.45, 1)).clip(0, 255).astype(np.uint8))
    assert canopy.vegetation(np.ascontiguousarray(np.asarray(green.resize((1024, 768))).transpose(2, 0, 1))) is not None  # it could be one
    answer = detected(service, png(green))
    assert answer["cover"]["all"] < 0.1
    for box in boxes:
        assert max(overlap(box, plant["box"]) for plant in answer["plants"]) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("cloth", [{}, {"noise": 15}, {"folds": 0.3, "weave": 0.15, "noise": 5}], ids=str)
def test_green_cloth_and_a_green_screen_hold_no_plant(service: Running, cloth: dict) -> None:
    for colour in ((30, 120, 50), (0, 177, 64)):
        answer = detected(service, png(drawn.cloth(1, (800, 600), colour=colour, **cloth)))
        assert answer["plants"] == []
        assert answer["cover"]["all"] < 1e-4  # a pixel or two


@pytest.mark.slow
def test_a_lawn_is_a_clump_that_covers_the_photo_however_it_is_turned(service: Running) -> None:
    lawn = drawn.lawn(1, (800, 600), shadow=0.4)
    answer = detected(service, png(lawn))
    assert answer["cover"]["unknown"] == answer["cover"]["all"] > 0.9
    assert answer["counts"] == {"species": {}, "kind": {}, "group": {}, "unknown": len(answer["plants"])}
    assert [plant["clump"] for plant in answer["plants"]] == [True]
    mirrored = detected(service, png(ImageOps.mirror(lawn)))
    x, y, width, height = answer["plants"][0]["box"]
    assert (mirrored["plants"][0]["box"], mirrored["cover"]) == ([800 - x - width, y, width, height], answer["cover"])
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    lawn.transpose(Image.Transpose.ROTATE_90).save(stream, "PNG", exif=exif)
    turned = detected(service, stream.getvalue())
    assert all(turned[key] == answer[key] for key in ("width", "height", "plants", "counts", "cover"))


@pytest.mark.slow
def test_images_like_the_training_images_are_answered_alike_wherever_it_is_asked_to_look(service: Running, real_images) -> None:
    """Of 1,000 drawn by chance none was looked at elsewhere."""
    for folder in sorted(folder for folder in real_images.iterdir() if folder.is_dir()):
        for file in sorted(folder.glob("*.png"))[:3]:
            auto, centre = (
                service.client.post("/predict", params={"crop": crop}, content=file.read_bytes()).json() for crop in ("auto", "centre")
            )
            assert auto == centre


@pytest.mark.slow
def test_the_plant_of_a_training_photo_is_found(service: Running, real_images) -> None:
    folders = sorted(folder for folder in real_images.iterdir() if folder.is_dir())
    found = []
    for folder in folders:
        for file in sorted(folder.glob("*.png"))[:3]:
            answer = detected(service, file.read_bytes())
            found.append(bool(answer["plants"]) and max(plant["area"] for plant in answer["plants"]) > 0.005)
    assert sum(found) >= 0.9 * len(found)
