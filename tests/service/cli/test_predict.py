"""`python -m service predict`, by itself and against a service."""

import contextlib
import csv
import datetime
import io
import json
import os
import re
import signal
import sys
import threading
import warnings
from pathlib import Path

import pytest

from service.__main__ import main
from service.cli.csv_tables import COLUMNS
from service.http import routes
from tests import fakes
from tests.service.cli.interrupting import interrupted_after
from tests.service.conftest import Running, Start


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for i in range(20):
        (folder / f"{i:02}.png").write_bytes(fakes.image((200 - i, 40, 10)))
    (folder / "deep" / "green.JPG").write_bytes(fakes.image((10, 200, 10), "JPEG"))
    (folder / "notes.txt").write_text("no photo")
    (folder / "._00.png").write_bytes(b"what another system leaves behind")
    (folder / "@eaDir").mkdir()
    (folder / "@eaDir" / "00.png").write_bytes(b"a preview")
    return folder


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.publish(tmp_path / "store", fakes.Shares)
    monkeypatch.setenv("SEEDLINGS_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SEEDLINGS_THREADS", "1")
    monkeypatch.setenv("SEEDLINGS_MAX_BATCH", "4")
    monkeypatch.setattr("service.process.memory.keep_freed", lambda: None)  # it is for the rest of the process


@pytest.mark.usefixtures("model")
def test_classifies_a_folder(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(photos), "--format", "json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [Path(result["file"]).name for result in results] == [*(f"{i:02}.png" for i in range(20)), "green.JPG"]
    for i, result in enumerate(results[:20]):
        assert list(result["probabilities"].values()) == pytest.approx(fakes.shares((200 - i, 40, 10)), abs=1e-5)
    assert results[20]["species"] == "Sugar beet"


@pytest.mark.usefixtures("model")
def test_what_a_service_does_beside_answers_is_left_out(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEDLINGS_DATABASE", f"sqlite:///{tmp_path}/corrections.db")
    monkeypatch.setenv("SEEDLINGS_SHADOW", "1")
    monkeypatch.setattr("subprocess.Popen.__init__", lambda *_, **__: pytest.fail("the shadow is started"))
    assert main(["predict", str(photos / "00.png"), "--crop", "centre"]) == 0
    assert not (tmp_path / "corrections.db").exists()


@pytest.mark.usefixtures("model")
def test_what_pillow_says_of_a_photo_does_not_reach_the_terminal(photos: Path) -> None:
    """Such as "Corrupt EXIF data" between the rows, for a photo that is answered."""
    assert main(["predict", str(photos / "00.png")]) == 0
    warnings.warn_explicit("Corrupt EXIF data", UserWarning, "TiffImagePlugin.py", 1, module="PIL.TiffImagePlugin")  # else an error here


@pytest.mark.usefixtures("model")
def test_lists_the_unreadable_and_says_so(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "broken.png").write_bytes(fakes.image()[:-30])
    assert main(["predict", str(photos / "00.png"), str(photos / "broken.png"), str(photos / "notes.txt"), "--format", "csv"]) == 1
    written = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(written.out.removeprefix("\ufeff"))))
    assert [(row["species"], row["confident"], bool(row["problem"])) for row in rows] == [
        ("Maize", "yes", False),
        ("", "", True),
        ("", "", True),
    ]
    assert "2 of 3 photos were not answered" in written.err
    assert "broken.png: the PNG cannot be decoded" in written.err


@pytest.mark.usefixtures("model")
def test_what_is_no_file_is_said_and_stops_nothing(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (photos / "link.png").symlink_to("nowhere")
    (photos / "itself").symlink_to("itself")
    (photos / "a\nb\x1b[31m.png").write_bytes(fakes.image())
    assert main(["predict", str(photos)]) == 1
    written = capsys.readouterr()
    assert written.out.count("Maize") >= 21
    assert "\x1b" not in written.out
    assert r"a\nb\x1b[31m.png" in written.out
    assert written.err == f"not looked at: {photos}/link.png has the name of an image, but is no file, or a link to none\n"


@pytest.mark.usefixtures("model")
def test_a_pipe_that_nobody_writes_to_does_not_hold_it_up(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(photos / "pipe")
    rescue = threading.Timer(30, lambda: (photos / "pipe").write_bytes(b"late"))  # what else would hold up all tests
    rescue.daemon = True
    rescue.start()
    assert main(["predict", str(photos / "pipe"), str(photos / "00.png")]) == 1
    rescue.cancel()
    written = capsys.readouterr()
    assert "Maize" in written.out
    assert f"{photos}/pipe: the file cannot be read (it is no file)" in written.err


def written_to(stream: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "stdout", stream)
    return main(["predict", *map(str, arguments)])


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("style", ["csv", "json", "table"])
def test_no_name_is_lost_to_an_encoding(photos: Path, monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    names = ["=SUM(A1).png", "@x.png", "фото.png", os.fsdecode(b"latin\xe9.png")]
    for name in names:
        (photos / name).write_bytes(fakes.image())
    monkeypatch.chdir(photos)
    raw = io.BytesIO()
    assert written_to(io.TextIOWrapper(raw, encoding="ascii"), monkeypatch, *names, "--format", style) == 0
    text = raw.getvalue().decode("ascii" if style == "table" else "utf-8-sig")
    assert text.count("Maize") >= 4
    assert text.count(r"latin\xe9.png" if style != "json" else r"latin\\xe9.png") == 1
    if style == "csv":
        assert raw.getvalue().startswith(b"\xef\xbb\xbf" + ",".join(COLUMNS).encode() + b"\r\n")
        assert [row["file"] for row in csv.DictReader(io.StringIO(text))][:3] == ["'=SUM(A1).png", "'@x.png", "фото.png"]


@pytest.mark.usefixtures("model")
def test_a_reader_that_has_enough(photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as stream:
        assert written_to(stream, monkeypatch, photos, "--format", "csv") == 1
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.usefixtures("model")
def test_nowhere_to_write_to(photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # as Python has it behind >&-
    with pytest.raises(SystemExit, match="2"):
        main(["predict", str(photos)])
    assert "standard output is closed" in capsys.readouterr().err


def test_a_full_disk(photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(OSError), open("/dev/full", "w", encoding="utf-8") as stream:
        assert written_to(stream, monkeypatch, photos, "--format", "csv") == 1
    assert "cannot be written" in capsys.readouterr().err


def test_the_columns_are_the_pages() -> None:
    assert COLUMNS[:5] == ("file", "answer", "answer_rank", "answer_probability", "species")
    script = (Path(routes.__file__).parents[1] / "page" / "table.js").read_text()
    listed = script.partition("const COLUMNS = [")[2].partition("];")[0]
    of_plants = ("plants", "truncated")  # the page looks for plants, too
    assert tuple(name for name in re.findall(r'"(\w+)"', listed) if name not in of_plants) == COLUMNS


@pytest.mark.usefixtures("model")
def test_a_row_says_by_whom_when_and_what_else_it_may_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(fakes.image((200, 40, 10), side=20))
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    assert main(["predict", str(photo), "--format", "csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out.removeprefix("\ufeff")))
    assert (row["second_species"], row["crop"], row["model"]) == ("Sugar beet", "0 0 20 20", "seedlings 1")
    assert float(row["second_probability"]) == pytest.approx(40 / 250, abs=1e-4)
    assert before <= datetime.datetime.fromisoformat(row["date"]) <= datetime.datetime.now(datetime.UTC)


def test_interrupted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("service.cli.predict.main", interrupt)
    assert main(["predict", "a.png"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.usefixtures("model")
def test_an_interrupt_loses_nothing_that_is_done(photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    watched = interrupted_after(3, monkeypatch)
    assert main(["predict", str(photos), "--format", "json"]) == 130
    written = capsys.readouterr()
    files = [Path(result["file"]).name for result in json.loads(written.out)]
    assert 3 <= len(files) < 21
    assert files == [name for name in [*(f"{i:02}.png" for i in range(20)), "green.JPG"] if name in files]  # in order
    assert written.err == f"interrupted; {21 - len(files)} of 21 photos are not done; what is done is written\n"
    assert watched == [-1]  # nothing would end the process before all is written


@pytest.mark.usefixtures("model")
def test_an_interrupt_before_anything_is_done_writes_nothing(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("service.cli.predict.of_file", lambda _: signal.raise_signal(signal.SIGINT))
    assert main(["predict", str(photos / "00.png"), "--format", "json"]) == 130
    assert capsys.readouterr() == ("", "interrupted\n")


def test_a_services_own_problems_are_handed_on(
    photos: Path, start: Start, publish_in, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_in(fakes.Fragile)
    url = f"http://127.0.0.1:{start().port}"
    (photos / "black.png").write_bytes(fakes.image((0, 0, 0)))
    assert main(["predict", str(photos / "00.png"), str(photos / "black.png"), "--url", url, "--format", "json"]) == 1
    _, failed = json.loads(capsys.readouterr().out)
    assert (failed["problem"]["status"], failed["problem"]["type"]) == (500, "urn:seedlings:model-failed")
    assert main(["predict", str(photos / "black.png"), "--url", url]) == 1
    assert capsys.readouterr().err.startswith("error: ")  # not the photo's fault
    assert main(["predict", str(photos / "00.png"), "--url", f"{url}/elsewhere"]) == 1
    assert "there is nothing at" in capsys.readouterr().err


@pytest.mark.usefixtures("model")
def test_it_looks_at_the_plant_unless_told_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fakes.publish_segmenter(tmp_path / "store")
    (tmp_path / "far.png").write_bytes(fakes.encoded(fakes.field([(300, 120, 12)])))
    crops = []
    for more in ([], ["--crop", "auto"], ["--crop", "centre"]):
        assert main(["predict", str(tmp_path / "far.png"), "--format", "json", *more]) == 0
        crops.append(json.loads(capsys.readouterr().out)[0]["crop"])
    assert crops[0] == crops[1]
    assert crops[0][2] < 40
    assert crops[2] == [64, 0, 384, 384]


@pytest.mark.usefixtures("model")
def test_a_table_for_people(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(photos / "00.png")]) == 0
    assert capsys.readouterr().out.split() == [str(photos / "00.png"), "Maize", "crop", "80.0%"]


def test_asks_a_service(
    photos: Path, start: Start, publish_in, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_in()
    service: Running = start(api_key="secret", max_queue=1)  # so full that some are answered 429 at first
    url = f"http://127.0.0.1:{service.port}"
    (photos / "broken.png").write_bytes(fakes.image()[:-30])
    monkeypatch.setenv("SEEDLINGS_API_KEY", "secret")
    assert main(["predict", str(photos / "00.png"), str(photos / "broken.png"), "--url", url, "--format", "json"]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert first["species"] == "Maize"
    assert "cannot be decoded" in second["problem"]["detail"]
    monkeypatch.setenv("SEEDLINGS_API_KEY", "wrong")
    assert main(["predict", str(photos), "--url", url]) == 1
    assert capsys.readouterr().err.startswith("error: send the key as 'Authorization: Bearer KEY'")  # once, not for each photo


def test_what_a_service_keeps_is_said_before_a_photo_is_sent(
    photos: Path, start: Start, publish_in, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_in()
    one = str(photos / "00.png")
    said = []
    database = {"database": f"sqlite:///{tmp_path}/corrections.db", "photos": str(tmp_path / "kept")}
    for options in ({}, database, database | {"ask": 20}, database | {"ask": 3, "keep_days": 7, "keep_positions": True}):
        assert main(["predict", one, "--url", f"http://127.0.0.1:{start(**options).port}"]) == 0
        said.append(capsys.readouterr().err)
    assert said[:2] == ["", ""]  # photos sent for an answer are kept by neither
    assert "keeps up to 20 photos a day" in said[2]
    assert "without positions and serial numbers, until somebody removes them" in said[2]
    assert "keeps up to 3 photos a day" in said[3]
    assert "with the positions in them, for 7 days" in said[3]


def test_a_service_that_is_not_there(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(photos), "--url", "http://127.0.0.1:9"]) == 1
    assert "is the service running?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["", "--detect"], "a SOURCE is empty; name a photo or a folder"),
        (["", "--out", "rows"], "a SOURCE is empty"),
        (["a.png", "--detect", "--max-plants", "abc"], "argument --max-plants: 'abc' is no whole number"),
        (["a.png", "--out", "rows", "--block", "1.5"], "argument --block: '1.5' is no whole number"),
        (["a.png", "--out", "rows", "--workers", ""], "argument --workers: '' is no whole number"),
        (["a.png", "--out", "rows", "--worker-cpus", "two"], "argument --worker-cpus: 'two' is no whole number"),
    ],
)
def test_a_wrong_call_is_told_plainly(
    arguments: list[str], said: str, photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(photos)
    with pytest.raises(SystemExit, match="2"):
        main(["predict", *arguments])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["nothing-there.png"], ["."], ["--format", "xml", "a.png"]])
def test_wrong_calls(arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        main(["predict", *arguments])
    assert exit_.value.code == 2


@pytest.mark.usefixtures("model")
def test_an_unknown_setting_is_a_warning(photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SEEDLINGS_GREENHOUSE", "1")
    assert main(["predict", str(photos / "00.png")]) == 0
    written = capsys.readouterr()
    assert "warning: SEEDLINGS_GREENHOUSE is no setting" in written.err
    assert "GREENHOUSE" not in written.out


@pytest.mark.usefixtures("model")
def test_no_model_is_a_failure(photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SEEDLINGS_MODEL", "roses")
    assert main(["predict", str(photos)]) == 1
    assert "holds no version of roses" in capsys.readouterr().err
