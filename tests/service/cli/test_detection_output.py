"""`predict --detect`, by itself and against a service."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models_store.plants import Plant
from service.__main__ import main
from service.cli.detection_output import COLUMNS, write
from service.inference import run_lengths
from tests import fakes
from tests.service.cli.interrupting import interrupted_after
from tests.service.conftest import Running, Start
from tests.service.inference.test_run_lengths import decoded

PLANTS = ((100, 90, 30), (300, 120, 20))


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos of two plants with a position and of none without, and a store with both models."""
    root, folder = tmp_path / "store", tmp_path / "photos"
    fakes.publish(root, fakes.Halves, threshold=0.3)
    fakes.publish_segmenter(root)
    folder.mkdir()
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 27.0, 0.0), 3: "W", 4: (8.0, 40.0, 48.0)})
    exif[0x8825] = exif.get_ifd(0x8825)
    (folder / "=a.png").write_bytes(fakes.encoded(fakes.field(PLANTS), exif=exif))
    (folder / "b.png").write_bytes(fakes.encoded(fakes.field([])))
    (folder / "c.png").write_bytes(b"no photo")
    monkeypatch.setenv("SEEDLINGS_STORE", str(root))
    monkeypatch.setenv("SEEDLINGS_THREADS", "1")
    monkeypatch.setattr("service.process.memory.keep_freed", lambda: None)  # it is for the rest of the process
    return folder


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_a_row_for_each_plant(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(photos), "--detect", "--format", "csv"]) == 1
    rows = rows_of(capsys.readouterr().out)
    assert tuple(rows[0]) == COLUMNS
    assert [(Path(row["file"]).name, row["plant"], row["answer"], bool(row["problem"])) for row in rows] == [
        ("=a.png", "1", "Sugar beet", False),
        ("=a.png", "2", "Sugar beet", False),
        ("b.png", "", "", False),
        ("c.png", "", "", True),
    ]
    assert (rows[0]["clump"], rows[0]["latitude"], rows[0]["longitude"], rows[0]["segmenter"]) == (
        "no",
        "47.45",
        "-8.68",
        "seedlings-segmenter 1",
    )
    assert abs(int(rows[0]["x"]) - 70) <= 1
    assert abs(int(rows[0]["width"]) - 61) <= 2


def test_coco(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(photos), "--detect", "--format", "coco"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert [(image["id"], Path(image["file_name"]).name, image["width"]) for image in document["images"]] == [
        (1, "=a.png", 512),
        (2, "b.png", 512),
    ]
    named = {one["id"]: (one["name"], one["supercategory"]) for one in document["categories"]}
    assert list(named) == list(range(1, len(named) + 1))
    assert [named[one["category_id"]] for one in document["annotations"]] == [("Sugar beet", "species")] * 2
    assert [(one["id"], one["image_id"], one["iscrowd"]) for one in document["annotations"]] == [(1, 1, 0), (2, 1, 0)]
    for one in document["annotations"]:
        height, width = one["segmentation"]["size"]
        mask = decoded(one["segmentation"]["counts"], width, height)
        assert mask.sum() == one["area"]
        columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        x, y, across, down = one["bbox"]
        assert (x, y, x + across - 1, y + down - 1) == (columns[0], rows[0], columns[-1], rows[-1])


def test_categories_are_the_models_own_whatever_is_on_the_photos(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fakes.publish(photos.parent / "store", fakes.Halves, threshold=0.3, kind=0.9)
    categories = []
    for photo in ("=a.png", "b.png"):  # the second has no plants
        assert main(["predict", str(photos / photo), "--detect", "--format", "coco"]) == 0
        categories.append(json.loads(capsys.readouterr().out)["categories"])
    assert categories[0] == categories[1]
    assert [(one["id"], one["name"], one["supercategory"]) for one in categories[0]] == [
        *((1, "Maize", "species"), (2, "Sugar beet", "species"), (3, "Charlock", "species")),
        *((4, "grass crop", "kind"), (5, "broadleaf crop", "kind"), (6, "broadleaf weed", "kind")),
        *((7, "crop", "group"), (8, "weed", "group"), (9, "unknown", "plant")),
    ]


@pytest.mark.parametrize("seed", range(6))
def test_the_box_in_coco_is_that_of_the_mask(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = np.zeros((7, 9), bool)
    mask[seed % 3 :, 2:8] = random.random((7 - seed % 3, 6)) > (0.2, 0.6, 0.9)[seed // 2]
    mask[5, 3] = True
    values = np.where(mask, 1, 0).astype(np.float32)
    plant = {"box": [0, 0, 9, 7], "clump": True, "score": 0.8, "answer": None, "probability": 0.9}
    plant["segmentation"] = {"size": [7, 9], "counts": run_lengths.encode(Plant(0, 0, mask, clump=True), values, 0.5, (9, 7))}
    stream = io.StringIO()
    write([{"file": "a.png", "width": 9, "height": 7, "truncated": False, "plants": [plant]}], "coco", stream)
    (annotation,) = json.loads(stream.getvalue())["annotations"]
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    assert annotation["bbox"] == [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
    assert annotation["area"] == mask.sum()


def test_a_species_called_unknown_is_not_taken_for_what_has_no_name() -> None:
    def plant(said: str | None) -> dict:
        answer = None if said is None else {"rank": "species", "name": said, "probability": 0.99}
        return {
            "box": [0, 0, 1, 1],
            "clump": False,
            "answer": answer,
            "score": 0.5,
            "probability": 0.9,
            "segmentation": {"size": [2, 2], "counts": [0, 1, 3]},
        }

    counts = {"species": {"unknown": 1}, "kind": {}, "group": {}, "unknown": 2}
    result = {"file": "a.png", "width": 2, "height": 2, "truncated": False, "counts": counts, "cover": {"all": 0.25}}
    result["plants"] = [plant("unknown"), plant(None), plant(None)]
    written = []
    for style in ("table", "coco"):
        stream = io.StringIO()
        write([result], style, stream, [{"name": "unknown", "group": "weed", "kind": None}])
        written.append(stream.getvalue())
    assert written[0] == "a.png  3 plants: 1 unknown, 2 without a sure name; 25.0% of the photo is plant\n"
    document = json.loads(written[1])
    names = {one["id"]: one["name"] for one in document["categories"]}
    assert list(names.values()) == ["unknown", "weed", "unknown (plant)"]
    assert [names[one["category_id"]] for one in document["annotations"]] == ["unknown", "unknown (plant)", "unknown (plant)"]
    assert [one["score"] for one in document["annotations"]] == [0.495, 0.5, 0.5]


def test_geojson(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(photos), "--detect", "--format", "geojson"]) == 1
    written = capsys.readouterr()
    document = json.loads(written.out)
    (feature,) = document["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": [-8.68, 47.45]}
    assert (feature["properties"]["counts"]["species"], feature["properties"]["plants"]) == ({"Sugar beet": 2}, 2)
    assert [Path(name).name for name in document["without_position"]] == ["b.png"]
    assert "not on the map, since it does not say where it was taken" in written.err


@pytest.mark.parametrize("style", ["coco", "geojson"])
def test_photos_without_an_answer_are_named_in_the_file_too(photos: Path, style: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(photos), "--detect", "--format", style]) == 1
    ((file, detail),) = [one.values() for one in json.loads(capsys.readouterr().out)["problems"]]
    assert file == str(photos / "c.png")
    assert "image" in detail


def test_what_is_done_before_an_interrupt_is_a_whole_document(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(20):
        (photos / f"d{i:02}.png").symlink_to(photos / "=a.png")
    interrupted_after(3, monkeypatch)
    assert main(["predict", str(photos), "--detect", "--format", "coco"]) == 130
    written = capsys.readouterr()
    document = json.loads(written.out)
    done = len(document["images"]) + len(document["problems"])
    assert 3 <= done < 23
    assert {one["name"] for one in document["categories"]} >= {*fakes.NAMES}
    assert f"interrupted; {23 - done} of 23 photos are not done; what is done is written" in written.err


def test_a_line_for_each_photo(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(photos), "--detect"]) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("2 plants: 2 Sugar beet; 2.1% of the photo is plant")
    assert second.endswith("0 plants; 0.0% of the photo is plant")


@pytest.mark.slow
def test_a_running_service_gives_the_same(photos: Path, tmp_path: Path, start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    running: Running = start(store=tmp_path / "store", deadline_s=120)  # so that all of a photo is looked at
    running.wait_for(lambda: running.services.segmenters.current, "the segmenter is loaded")

    def answered(*options: str) -> list[dict]:
        main(["predict", str(photos), "--detect", "--format", "json", *options])
        return [{name: value for name, value in result.items() if name != "date"} for result in json.loads(capsys.readouterr().out)]

    def coco(*options: str) -> dict:
        main(["predict", str(photos), "--detect", "--format", "coco", *options])
        return json.loads(capsys.readouterr().out)

    assert answered("--url", f"http://127.0.0.1:{running.port}") == answered()
    assert coco("--url", f"http://127.0.0.1:{running.port}") == coco()
    rows = np.array([[[110, 85, 60]], [[40, 150, 40]]], np.uint8).repeat(3, 0)  # of leaves, three pixels thick
    Image.fromarray(np.tile(rows, (200, 1200, 1))).save(photos / "rows.png")
    assert answered("--url", f"http://127.0.0.1:{running.port}", "--fine") == answered("--fine") != answered()


@pytest.mark.parametrize("option", [["--fine"], ["--max-plants", "3"]])
@pytest.mark.parametrize("options", [[], ["--out", "rows"]])
def test_some_options_are_for_plants(photos: Path, option: list[str], options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["predict", str(photos), *option, *options])
    assert f"{option[0]} works only with --detect" in capsys.readouterr().err


@pytest.mark.parametrize("style", ["table", "csv", "coco", "json", "geojson"])
def test_that_there_are_more_plants_than_were_asked_for_is_said(photos: Path, style: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(photos / "=a.png"), "--detect", "--format", style, "--max-plants", "1"]) == 0
    written = capsys.readouterr()
    assert f"more plants were found than the 1 that are listed, see --max-plants: {photos / '=a.png'}" in written.err
    if style == "coco":
        assert [image["truncated"] for image in json.loads(written.out)["images"]] == [True]
    if style == "csv":
        assert [row["truncated"] for row in rows_of(written.out)] == ["yes"]
    assert main(["predict", str(photos / "=a.png"), "--detect", "--format", style, "--max-plants", "2"]) == 0
    written = capsys.readouterr()
    assert "--max-plants" not in written.err
    if style == "csv":
        assert [row["truncated"] for row in rows_of(written.out)] == ["no", "no"]


@pytest.mark.parametrize("number", ["0", "501"])
def test_as_many_plants_as_a_service_gives_may_be_asked_for(photos: Path, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["predict", str(photos), "--detect", "--max-plants", number])
    assert number in capsys.readouterr().err


def test_maps_need_plants(photos: Path) -> None:
    with pytest.raises(SystemExit):
        main(["predict", str(photos), "--format", "coco"])
