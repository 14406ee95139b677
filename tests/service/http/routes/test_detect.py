"""`POST /detect` by real clients: a fake segmenter that goes by green, and a fake classifier."""

import io
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from models_store.plants import Map, Plant
from service.inference import run_lengths
from tests import fakes
from tests.service.conftest import Running, Start
from tests.service.inference.test_run_lengths import decoded

PLANTS = ((100, 90, 30), (300, 120, 20), (400, 300, 12))


def detected(service: Running, photo: bytes, query: str = "") -> dict:
    response = service.client.post(f"/detect{query}", files={"file": photo})
    assert response.status_code == 200, response.text
    return response.json()


def overlap(one: list[int], other: list[int]) -> float:
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    both = max(0, width) * max(0, height)
    return both / (one[2] * one[3] + other[2] * other[3] - both)


def test_each_plant_is_boxed_named_and_counted(detecting: Running) -> None:
    answer = detected(detecting, fakes.encoded(fakes.field(PLANTS)))
    assert (answer["width"], answer["height"], answer["truncated"], answer["position"]) == (512, 384, False, None)
    assert [
        overlap(plant["box"], [x - r, y - r, 2 * r + 1, 2 * r + 1]) > 0.9 for plant, (x, y, r) in zip(answer["plants"], PLANTS, strict=True)
    ]
    first = answer["plants"][0]
    assert (first["species"], first["answer"]["name"], first["kind"]) == ("Sugar beet", "Sugar beet", "broadleaf crop")
    assert not first["clump"]
    assert first["area"] == pytest.approx(np.pi * 30**2 / (512 * 384), rel=0.05)
    assert answer["counts"] == {"species": {"Sugar beet": 3}, "kind": {}, "group": {}, "unknown": 0}
    total = sum(np.pi * radius**2 for _, _, radius in PLANTS) / (512 * 384)
    assert answer["cover"]["all"] == pytest.approx(total, rel=0.05)
    assert answer["cover"]["crop"] + answer["cover"]["weed"] + answer["cover"]["unknown"] == pytest.approx(answer["cover"]["all"], abs=3e-6)
    assert answer["segmenter"] == {"name": "seedlings-segmenter", "version": "1"}
    assert answer["model"] == {"name": "seedlings", "version": "1"}


def test_nothing_green_is_an_empty_list(detecting: Running) -> None:
    answer = detected(detecting, fakes.encoded(fakes.field([])))
    assert (answer["plants"], answer["counts"]["unknown"], answer["cover"]["all"]) == ([], 0, 0)
    assert answer["model"]["name"] == "seedlings"
    assert detected(detecting, fakes.encoded(Image.new("RGB", (300, 200), (30, 60, 200))))["plants"] == []  # a blue page


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_photo_rotated_by_exif_gives_the_same(detecting: Running, orientation: int) -> None:
    upright = fakes.field(PLANTS, (501, 387))
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[orientation]  # the transposition that its turning upright takes back
    stored = upright.transpose(Image.Transpose(undo))
    assert ImageOps.exif_transpose(Image.open(io.BytesIO(fakes.encoded(stored, exif=exif)))).tobytes() == upright.tobytes()
    assert detected(detecting, fakes.encoded(stored, exif=exif), "?masks=rle") == detected(detecting, fakes.encoded(upright), "?masks=rle")


def test_a_mirrored_photo_gives_mirrored_boxes(detecting: Running) -> None:
    photo = fakes.field(PLANTS)
    ahead = detected(detecting, fakes.encoded(photo))["plants"]
    back = detected(detecting, fakes.encoded(ImageOps.mirror(photo)))["plants"]
    for one, other in zip(ahead, back, strict=True):
        x, y, width, height = other["box"]
        assert overlap(one["box"], [512 - x - width, y, width, height]) >= 0.9


def test_masks_lie_on_the_plants(detecting: Running) -> None:
    photo = fakes.field(PLANTS, (1300, 900))
    answer = detected(detecting, fakes.encoded(photo), "?masks=rle&min_side=0")
    green = np.asarray(photo)[..., 1] > 100
    drawn = np.zeros_like(green)
    for plant in answer["plants"]:
        assert plant["segmentation"]["size"] == [900, 1300]
        drawn |= decoded(plant["segmentation"]["counts"], 1300, 900)
    assert (drawn & green).sum() / (drawn | green).sum() > 0.9
    assert "segmentation" not in detected(detecting, fakes.encoded(photo))["plants"][0]


def test_thin_leaves_of_a_large_photo_are_looked_at_from_nearer(detecting: Running) -> None:
    photo = Image.new("RGB", (2000, 1500), (110, 85, 60))
    draw = ImageDraw.Draw(photo)
    for row in range(20):
        for column in range(30):
            draw.rectangle((20 + 62 * column, 20 + 70 * row, 21 + 62 * column, 59 + 70 * row), fill=(40, 150, 40))  # 2×40 pixels
    true = 20 * 30 * 2 * 40 / (2000 * 1500)
    usual, fine, not_fine = (
        detected(detecting, fakes.encoded(photo), f"?max_plants=1{more}")["cover"]["all"] for more in ("", "&fine=True", "&fine=false")
    )
    assert usual == not_fine < fine < true
    overlay = detecting.client.post("/detect/overlay?fine=true", files={"file": fakes.encoded(photo)})
    assert (overlay.status_code, overlay.headers["content-type"]) == (200, "image/jpeg")


def test_limits_are_clear(detecting: Running) -> None:
    photo = fakes.encoded(fakes.field(PLANTS))
    answer = detected(detecting, photo, "?max_plants=2")
    assert (len(answer["plants"]), answer["truncated"]) == (2, True)
    assert answer["cover"]["unknown"] > 0  # what is not listed
    assert [len(detected(detecting, photo, f"?min_side={side}")["plants"]) for side in (30, 200)] == [2, 0]
    assert [plant["score"] for plant in detected(detecting, photo, "?min_score=1")["plants"]] == [1, 1, 1]
    assert len(detected(detecting, photo, "?top_k=1")["plants"][0]["probabilities"]) == 1
    assert detected(detecting, photo, "?threshold=1")["counts"]["unknown"] == 3


def test_a_lawn_is_one_clump_of_which_nothing_is_relied_upon(detecting: Running) -> None:
    answer = detected(detecting, fakes.encoded(Image.new("RGB", (800, 600), (40, 150, 40))))
    (lawn,) = answer["plants"]
    assert (lawn["box"], lawn["clump"], lawn["answer"], lawn["confident"]) == ([0, 0, 800, 600], True, None, False)
    assert (answer["counts"]["unknown"], answer["cover"]["unknown"]) == (1, 1)


def test_touching_plants_with_two_centres_are_two(detecting: Running) -> None:
    answer = detected(detecting, fakes.encoded(fakes.field([(200, 200, 30), (250, 200, 30)], centres=True)))
    assert [plant["clump"] for plant in answer["plants"]] == [False, False]


def test_a_classifier_of_clumps_has_the_last_word(start: Start, publish_in: Callable[..., Path], tmp_path: Path) -> None:
    """Here of rings around bluish ground, which it takes for several; by its shape a ring is none, and a comb is."""
    publish_in(fakes.Halves, threshold=0.3)
    photo = fakes.field([(120, 200, 40), (250, 200, 40)])
    draw = ImageDraw.Draw(photo)
    draw.ellipse((100, 180, 140, 220), fill=(60, 85, 110))
    for x in range(340, 460, 12):
        draw.rectangle((x, 150, x + 3, 250), fill=(40, 150, 40))
    draw.rectangle((340, 196, 460, 206), fill=(40, 150, 40))
    service = start()

    def told(version: str) -> list[tuple[bool, bool]]:
        service.wait_for(lambda: (served := service.services.segmenters.current) and served.version == version, "the version is served")
        plants = sorted(detected(service, fakes.encoded(photo))["plants"], key=lambda plant: plant["box"][0])
        return [(plant["clump"], plant["answer"] is None) for plant in plants]

    fakes.publish_segmenter(tmp_path)
    assert [clump for clump, _ in told("1")] == [False, False, True]
    fakes.publish_segmenter(tmp_path, fakes.Telling, clump=0.5)
    assert told("2") == [(True, True), (False, False), (False, False)]


def test_the_position_of_the_photo(detecting: Running) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "S", 2: (33.0, 51.0, 36.0), 3: "E", 4: (151.0, 12.0, 0.0)})
    exif[0x8825] = exif.get_ifd(0x8825)
    assert detected(detecting, fakes.encoded(fakes.field(PLANTS), "JPEG", exif=exif))["position"] == [-33.86, 151.2]
    exif.get_ifd(0x8825)[2] = (333.0, 51.0, 36.0)
    exif[0x8825] = exif.get_ifd(0x8825)
    assert detected(detecting, fakes.encoded(fakes.field(PLANTS), "JPEG", exif=exif))["position"] is None


def test_a_large_jpeg_is_answered_in_pixels_of_the_photo(detecting: Running) -> None:
    small = detected(detecting, fakes.encoded(fakes.field(PLANTS), "JPEG", quality=95))
    large = detected(detecting, fakes.encoded(fakes.field(PLANTS).resize((4096, 3072)), "JPEG", quality=95))
    assert (large["width"], large["height"]) == (4096, 3072)
    for one, other in zip(small["plants"], large["plants"], strict=True):
        assert overlap([8 * value for value in one["box"]], other["box"]) > 0.85


@pytest.mark.parametrize(
    ("query", "message"),
    [
        *((f"min_side={side}", "0 or more") for side in ("-1", "inf")),
        ("min_score=1.01", "min_score = '1.01' is no number from 0 to 1"),
        ("max_plants=0", "from 1 to 500"),
        ("max_plants=501", "from 1 to 500"),
        ("masks=png", "is not rle"),
        ("fine=yes", "fine = 'yes' is not true or false"),
        ("crop=1,2,3,4", "there is top_k, threshold, min_side, min_score, max_plants, fine, masks, prediction"),
        ("masks=rle&masks=rle", "give it once"),
        ("prediction=largest", "prediction = 'largest' is not auto, centre or x,y,width,height"),
        ("prediction=500,0,50,50", "does not lie"),
    ],
)
def test_a_wrong_query_is_named(detecting: Running, query: str, message: str) -> None:
    response = detecting.client.post(f"/detect?{query}", files={"file": fakes.image()})
    assert (response.status_code, message in response.json()["detail"]) == (400, True), response.text


@pytest.mark.parametrize("crop", ["centre", "auto", "30,20,200,100"])
def test_the_photo_as_a_whole_is_answered_in_the_same_request(detecting: Running, crop: str) -> None:
    photo = fakes.encoded(fakes.field([(440, 300, 40), (60, 60, 20)]))
    both = detected(detecting, photo, f"?prediction={crop}&top_k=2&threshold=0.4")
    alone = detecting.client.post(f"/predict?crop={crop}&top_k=2&threshold=0.4", files={"file": photo}).json()
    assert both.pop("prediction") == alone
    assert both == detected(detecting, photo, "?top_k=2&threshold=0.4")
    files = [("files", ("a.png", photo)), ("files", ("b.png", fakes.encoded(fakes.field([], (20, 20)))))]
    results = detecting.client.post(f"/detect/batch?prediction={crop}&top_k=2&threshold=0.4", files=files).json()["results"]
    assert results[0]["detection"]["prediction"] == alone
    assert ("problem" in results[1]) == (crop == "30,20,200,100")  # which does not lie in a photo of 20 pixels


@pytest.mark.parametrize(("body", "status"), [(b"", 400), (b"no photo", 415), (fakes.encoded(fakes.field(PLANTS))[:-400], 422)])
def test_what_is_no_photo_is_refused(detecting: Running, body: bytes, status: int) -> None:
    for route in ("/detect", "/detect/overlay"):
        assert detecting.client.post(route, content=body, headers={"content-type": "image/png"}).status_code == status


def test_a_batch_keeps_the_bad_ones_apart(detecting: Running) -> None:
    contents = [fakes.encoded(fakes.field(PLANTS[:count])) for count in (0, 1, 2, 3)] + [b"", b"no photo"]
    files = [("files", (f"{i}.png", content)) for i, content in enumerate(contents)]
    response = detecting.client.post("/detect/batch?max_plants=2", files=files)
    assert response.status_code == 200, response.text
    results = response.json()["results"]
    assert [result["file"] for result in results] == [f"{i}.png" for i in range(6)]
    assert [len(result["detection"]["plants"]) for result in results[:4]] == [0, 1, 2, 2]
    assert [result["problem"]["status"] for result in results[4:]] == [400, 415]


def test_the_overlay_is_the_photo_with_boxes(detecting: Running) -> None:
    photo = fakes.field(PLANTS)
    response = detecting.client.post("/detect/overlay", files={"file": fakes.encoded(photo)})
    assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")
    drawn = Image.open(io.BytesIO(response.content))
    assert drawn.size == photo.size
    changed = np.abs(np.asarray(drawn, np.int16) - np.asarray(photo, np.int16)).max(-1) > 60
    assert changed[60:121, 69:73].any()  # the left side of the first box
    assert not changed[200:380, 20:300].any()
    plain = detecting.client.post("/detect/overlay?boxes=false", files={"file": fakes.encoded(photo)})
    assert plain.headers["server-timing"].startswith("decode;")
    assert "segmentation" not in plain.headers["server-timing"]  # no plants are looked for
    shown = Image.open(io.BytesIO(plain.content))
    assert not (np.abs(np.asarray(shown, np.int16) - np.asarray(photo, np.int16)).max(-1) > 60).any()
    assert detecting.client.post("/detect/overlay?boxes=no", files={"file": fakes.encoded(photo)}).status_code == 400
    octets = detecting.client.post("/detect/overlay", files={"file": fakes.encoded(photo)}, headers={"accept": "application/octet-stream"})
    assert octets.headers["content-type"] == "application/octet-stream"


def test_an_error_that_nobody_expected_harms_no_other_photo_of_a_batch(
    detecting: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encode = run_lengths.encode

    def defective(plant: Plant, values: Map, least: float, photo_size: tuple[int, int]) -> list[int]:
        if photo_size == (300, 200):
            raise ZeroDivisionError
        return encode(plant, values, least, photo_size)

    monkeypatch.setattr(run_lengths, "encode", defective)
    files = [("files", (f"{size}.png", fakes.encoded(fakes.field([(60, 60, 20)], size)))) for size in ((300, 200), (400, 200))]
    bad, good = detecting.client.post("/detect/batch?masks=rle", files=files).json()["results"]
    assert (bad["problem"]["status"], "request id leads to it" in bad["problem"]["detail"]) == (500, True)
    assert len(good["detection"]["plants"]) == 1
    assert "ZeroDivisionError" in caplog.text


def test_plants_are_counted_in_the_metrics(detecting: Running) -> None:
    before, photo = detecting.client.get("/metrics").text, fakes.encoded(fakes.field(PLANTS))
    assert len(detected(detecting, photo)["plants"]) == 3
    text = detecting.client.get("/metrics").text
    assert 'seedlings_plants_total{species="Sugar beet",unnamed=""}' in text
    assert "seedlings_segmentation_seconds_count" in text

    def risen(name: str) -> float:
        now, then = (sum(float(line.split()[-1]) for line in one.splitlines() if line.startswith(name)) for one in (text, before))
        return now - then

    # The photo is decoded once. Its plants wait for their batches, and are no answers to photos, whose drift is watched.
    names = ("decode_seconds_count", "queue_seconds_count", "predictions_total", "ood_ratio_count")
    assert [risen(f"seedlings_{name}") for name in names] == [1, 3, 0, 0]


def test_plants_of_a_species_called_clump_are_no_clumps_in_the_metrics(start: Start, publish_in, tmp_path: Path) -> None:
    manifest = publish_in(fakes.Halves, threshold=0.3) / "manifest.json"
    manifest.write_text(manifest.read_text().replace("Sugar beet", "clump"))
    fakes.publish_segmenter(tmp_path)
    service = start()
    assert detected(service, fakes.encoded(fakes.field(PLANTS)))["counts"]["species"] == {"clump": 3}
    text = service.client.get("/metrics").text
    assert 'seedlings_plants_total{species="clump",unnamed=""} 3.0' in text
    assert 'species="clump",unnamed="true"' not in text


def test_without_a_segmenter_it_says_so_and_predictions_go_on(start: Start, publish_in) -> None:
    publish_in()
    service = start(segmenter="none-such")
    response = service.client.post("/detect", files={"file": fakes.image()})  # without Retry-After: somebody has to publish one
    assert (response.status_code, "none-such" in response.json()["detail"], "Retry-After" in response.headers) == (503, True, False)
    assert service.client.post("/predict", files={"file": fakes.image()}).status_code == 200


def test_a_classifier_under_its_name_is_refused(start: Start, publish_in) -> None:
    publish_in()
    publish_in(name="seedlings-segmenter")
    service = start()
    service.wait_for(lambda: service.services.segmenters.error, "the version is refused")
    assert "is a classifier; what is wanted here is a segmenter" in str(service.services.segmenters.error)


def test_segmenters_are_swapped(start: Start, publish_in, tmp_path) -> None:
    publish_in()
    fakes.publish_segmenter(tmp_path)
    service = start()
    service.wait_for(lambda: service.services.segmenters.current, "the first version is loaded")
    fakes.publish_segmenter(tmp_path)
    service.wait_for(lambda: service.services.segmenters.current.version == "2", "the second version is in service")
    assert detected(service, fakes.encoded(fakes.field(PLANTS)))["segmenter"]["version"] == "2"


def test_past_its_deadline_it_is_a_504(start: Start, publish_in, tmp_path) -> None:
    publish_in(fakes.Slow)
    fakes.publish_segmenter(tmp_path)
    service = start(deadline_s=0.3)
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    many = [(20 + 40 * (i % 12), 20 + 40 * (i // 12), 8) for i in range(100)]
    response = service.client.post("/detect", files={"file": fakes.encoded(fakes.field(many))})
    assert response.status_code == 504, response.text
    service.wait_for(lambda: not service.services.predictor.queued, "its plants are taken out of the queue")


def test_a_client_that_leaves_takes_its_plants_along(start: Start, publish_in, tmp_path) -> None:
    publish_in(fakes.Slow)
    fakes.publish_segmenter(tmp_path)
    service = start(deadline_s=30)
    service.wait_for(lambda: service.services.segmenters.current, "the segmenter is loaded")
    photo = fakes.encoded(fakes.field([(20 + 40 * (i % 12), 20 + 40 * (i // 12), 8) for i in range(100)]))
    head = f"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {len(photo)}\r\n\r\n".encode()
    with service.raw(head + photo) as connection:
        service.wait_for(lambda: service.services.predictor.queued, "its plants wait")
        connection.shutdown(socket.SHUT_RDWR)
    gone = 'seedlings_rejected_total{reason="caller-gone"} 1.0'
    service.wait_for(lambda: gone in service.client.get("/metrics").text, "its leaving is noticed")
    assert service.client.get("/health").json()["queued"] == 0


@pytest.mark.parametrize(
    ("plants", "centre"),
    [
        ([(256, 192, 140)], True),  # as on the training images
        ([(256, 192, 60)], True),
        ([(300, 120, 12), (60, 60, 5)], False),  # small
        ([(40, 190, 30)], False),  # beside the middle
        ([(490, 362, 21)], False),  # at the corner
        ([], True),
    ],
)
def test_auto_looks_at_the_largest_plant(detecting: Running, plants: list[tuple[int, int, int]], centre: bool) -> None:
    photo = fakes.encoded(fakes.field(plants))
    given = {one: detecting.client.post("/predict", params={"crop": one}, content=photo).json() for one in ("auto", "centre")}
    assert given["centre"] == detecting.client.post("/predict", content=photo).json()
    assert (given["auto"] == given["centre"]) == centre
    x, y, side, _ = given["auto"]["crop"]
    if not centre:
        across, down, radius = plants[0]
        assert side == pytest.approx((2 * radius + 1) * 1.3, abs=6)
        assert x <= max(0, across - radius) + 3
        assert x + side >= min(512, across + radius + 1) - 3
        assert y <= max(0, down - radius) + 3
        assert y + side >= min(384, down + radius + 1) - 3
    asked = {"crop": ",".join(map(str, given["auto"]["crop"]))}
    assert detecting.client.post("/predict", params=asked, content=photo).json() == given["auto"]
    batch = detecting.client.post("/predict/batch?crop=auto", files=[("files", photo)] * 2).json()["results"]
    assert [one["prediction"] for one in batch] == [given["auto"]] * 2
    seen = detecting.client.post("/explain?crop=auto", content=photo, headers={"Accept": "application/json"})
    assert seen.json()["crop"] == given["auto"]["crop"]


@pytest.mark.parametrize("radius", [24, 60, 300])
@pytest.mark.parametrize("place", [(0.5, 0.3), (0.0, 0.0), (1.0, 0.62), (0.03, 1.0)], ids=str)
def test_auto_cuts_no_plant_of_a_large_photo_whatever_its_size_and_place(
    detecting: Running, radius: int, place: tuple[float, float]
) -> None:
    across, down = (round(radius + share * (length - 1 - 2 * radius)) for share, length in zip(place, (4000, 3000), strict=True))
    photo = fakes.encoded(fakes.field([(across, down, radius)], (4000, 3000)), "JPEG", quality=85)
    x, y, side, _ = detecting.client.post("/predict?crop=auto", content=photo).json()["crop"]
    assert 1.3 * 2 * radius <= side <= 1.3 * 2 * radius + 32  # a pixel of the map has 4 of the photo
    room = [across - radius - x, x + side - 1 - across - radius, down - radius - y, y + side - 1 - down - radius]
    edges = [across - radius, 3999 - across - radius, down - radius, 2999 - down - radius]
    assert all(inside >= min(7, edge) for inside, edge in zip(room, edges, strict=True)), (room, edges)


def test_auto_takes_in_a_leaf_that_lies_apart_and_not_a_row_of_plants(detecting: Running) -> None:
    def square(*plants: tuple[int, int, int]) -> tuple[int, int, int]:
        crop = detecting.client.post("/predict?crop=auto", content=fakes.encoded(fakes.field(plants))).json()["crop"]
        return tuple(crop[:3])

    alone, row = square((300, 200, 20)), [(300 + 44 * step, 200, 19) for step in (-3, -2, -1, 1, 2, 3)]
    x, y, side = square((300, 200, 20), (325, 225, 12))
    assert (x <= 280, x + side >= 338, y <= 180, y + side >= 238) == (True, True, True, True)
    assert side < 2.2 * alone[2]
    assert square((300, 200, 20), *row) == alone
    assert square((300, 200, 20), (325, 200, 2)) == alone  # a speck


def test_auto_with_a_segmenter_that_fails_is_a_problem(tmp_path, module_service: Start) -> None:
    fakes.publish(tmp_path, fakes.Halves)
    fakes.publish_segmenter(tmp_path, fakes.Broken)
    running = module_service(store=tmp_path)
    refused = running.client.post("/predict?crop=auto", content=fakes.image())
    assert refused.status_code in (500, 503), refused.text
    assert running.client.post("/predict", content=fakes.image()).status_code == 200
