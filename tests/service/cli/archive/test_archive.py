"""`predict … --out RESULTS` by the local engine."""

import csv
import io
import json
import re
import signal
from pathlib import Path

import pytest

from tests import fakes, object_store
from tests.service.cli.archive.conftest import parts, predict, read, rows, started, wait_for
from tests.service.conftest import PATIENCE_S
from tests.web import Web

pytestmark = pytest.mark.usefixtures("model")


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit, match="2"):
        predict(*arguments)
    return capsys.readouterr().err


def test_csv_holds_the_rows_of_the_terminal(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(photos, "--crop", "centre", "--format", "csv") == 1
    printed = list(csv.DictReader(io.StringIO(capsys.readouterr().out.removeprefix("\ufeff"))))
    assert predict(photos, "--crop", "centre", "--format", "csv", "--out", tmp_path / "out", "--block", 4) == 1
    written = rows(tmp_path / "out")
    assert [row | {"date": ""} for row in written] == [row | {"date": ""} for row in printed]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        *("_manifest.json", "_summary.json", "part-000000.csv", "part-000001.csv", "part-000002.csv")
    ]
    assert json.loads((tmp_path / "out" / "_summary.json").read_text()) == {"photos": 11, "parts": 3, "unanswered": 1}
    said = capsys.readouterr().err
    assert "11 photos in 3 parts, 11 of them looked at now" in said
    assert "1 of 11 photos were not answered; the column 'problem' of their rows says why" in said
    assert "the PNG cannot be decoded" in written[5]["problem"]


def test_parquet_is_read_as_one_table(photos: Path, tmp_path: Path) -> None:
    assert predict(photos, "--crop", "auto", "--out", tmp_path / "out", "--block", 5) == 1
    found = read(tmp_path / "out", dates=True)
    assert [row["file"] for row in found] == [str(photos / f"{i:02}.png") for i in range(11)]
    assert found[0]["crop"] == [0.0, 0.0, 16.0, 16.0]
    assert found[0]["species"] == "Maize"
    assert found[0]["probability"] == pytest.approx(200 / 250, abs=1e-4)


def test_a_row_for_each_plant(tmp_path: Path) -> None:
    (tmp_path / "field.png").write_bytes(fakes.encoded(fakes.field([(100, 120, 30), (300, 120, 40)])))
    (tmp_path / "bare.png").write_bytes(fakes.encoded(fakes.field([])))
    assert predict(tmp_path / "field.png", tmp_path / "bare.png", "--detect", "--out", tmp_path / "out") == 0
    found = read(tmp_path / "out")
    assert [(Path(str(row["file"])).name, row["plant"]) for row in found] == [("field.png", 1), ("field.png", 2), ("bare.png", None)]


def test_as_many_plants_of_a_photo_as_are_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "field.png").write_bytes(fakes.encoded(fakes.field([(100, 120, 30), (300, 120, 40)])))
    call = [tmp_path / "field.png", "--detect", "--format", "csv", "--out"]
    assert predict(*call, tmp_path / "one", "--max-plants", "1") == 0
    assert [(row["plant"], row["truncated"]) for row in rows(tmp_path / "one")] == [("1", "yes")]
    assert "of those looked at now, photos with more plants than are listed: 1; see --max-plants" in capsys.readouterr().err
    assert predict(*call, tmp_path / "all", "--fine") == 0
    assert [(row["plant"], row["truncated"]) for row in rows(tmp_path / "all")] == [("1", "no"), ("2", "no")]
    assert "--max-plants" not in capsys.readouterr().err
    assert "max_plants was 1, is 100" in refused(capsys, *call, tmp_path / "one")
    assert "fine was true, is false" in refused(capsys, *call, tmp_path / "all")


@pytest.mark.slow
def test_it_does_not_do_finished_parts_again(server: Web, tmp_path: Path) -> None:
    """After a kill in the middle, with photos on their way."""
    listed, out = server.listed(tmp_path / "list.txt", 24), tmp_path / "out"
    server.held_from = 10
    call = [listed, "--crop", "centre", "--format", "csv", "--out", out, "--block", 4]
    with started(*call) as process:
        wait_for(lambda: len(parts(out)) == 2, "two parts")
        loaded = Path(f"/proc/{process.pid}/maps").read_text()
        process.kill()
    assert "torch" in loaded
    assert not re.search("_raylet|pyarrow", loaded)  # what was not asked for
    before = {file.name: file.stat().st_mtime_ns for file in parts(out)}
    assert not (out / "_summary.json").exists()
    server.opened.set()
    assert predict(*call) == 0
    assert {server.asked[i] for i in range(8)} == {1}
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert [row["file"] for row in rows(out)] == listed.read_text().split()
    asked = server.asked.total()
    assert predict(*call) == 0  # nothing is left
    assert server.asked.total() == asked


@pytest.mark.slow
def test_ctrl_c(server: Web, tmp_path: Path) -> None:
    listed, out = server.listed(tmp_path / "list.txt", 24), tmp_path / "out"
    server.held_from = 10
    with started(listed, "--crop", "centre", "--format", "csv", "--out", out, "--block", 4) as process:
        wait_for(lambda: len(parts(out)) == 2, "two parts")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "the same command goes on" in said
    assert said.splitlines()[-1].startswith("interrupted")


def test_other_arguments_do_not_go_on(photos: Path, tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = [photos, "--crop", "centre", "--out", tmp_path / "out", "--format"]
    assert predict(*call, "csv") == 1
    assert "the folder of" not in refused(capsys, *call, "csv", "--block", 4)
    assert 'format was "csv", is "parquet"' in refused(capsys, *call, "parquet")
    (photos / "new.png").write_bytes(fakes.image())
    assert "photos was 11, is 12" in refused(capsys, *call, "csv")
    (photos / "new.png").unlink()
    fakes.publish(model, fakes.Turned)
    assert 'model was {"name": "seedlings", "version": "1"' in refused(capsys, *call, "csv")


def test_problems_of_finished_parts_are_not_forgotten(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = [photos, "--crop", "centre", "--out", tmp_path / "out"]
    assert predict(*call) == 1
    capsys.readouterr()
    assert predict(*call) == 1
    said = capsys.readouterr().err
    assert "in 1 part, of which 1 finished before" in said
    assert "1 of 11 photos were not answered" in said


def test_photos_without_an_answer_are_tried_again_where_that_is_asked_for(
    server: Web, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed, out = tmp_path / "list.txt", tmp_path / "out"
    listed.write_text("".join(f"{server.url(i)}\n" for i in range(4)) + f"{server.url('later')}\n")
    call = [listed, "--crop", "centre", "--format", "csv", "--out", out, "--block", 2]
    assert predict(*call) == 1
    assert "404" in rows(out)[4]["problem"]
    before = [file.stat().st_mtime_ns for file in parts(out)]
    server.late = True  # it is there now
    assert predict(*call) == 1  # a row with a problem is a row
    assert [file.stat().st_mtime_ns for file in parts(out)] == before
    capsys.readouterr()
    assert predict(*call, "--retry") == 0
    assert "5 photos in 3 parts, of which 2 finished before, 1 tried again" in capsys.readouterr().err
    assert [file.stat().st_mtime_ns for file in parts(out)[:2]] == before[:2]
    assert [row["problem"] for row in rows(out)] == [""] * 5
    assert [row["file"] for row in rows(out)] == listed.read_text().split()


def test_from_and_to_an_object_store(photos: Path) -> None:
    with object_store.running("flights"):
        import s3fs

        files = s3fs.S3FileSystem()
        files.put(str(photos), "flights/monday", recursive=True)
        call = [
            "s3://flights/monday/*.png",
            "s3://flights/monday/none.png",
            "--crop",
            "centre",
            "--out",
            "s3://flights/results/1",
            "--block",
            4,
        ]
        assert predict(*call) == 1
        files.invalidate_cache()
        listed = sorted(name.rpartition("/")[2] for name in files.ls("flights/results/1"))
        assert listed == ["_manifest.json", "_summary.json", *(f"part-{i:06}.parquet" for i in range(3))]
        parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed: pip install 'seedlings[archive]'")
        found = [
            row for i in range(3) for row in parquet.read_table(io.BytesIO(files.cat(f"flights/results/1/part-{i:06}.parquet"))).to_pylist()
        ]
        assert [row["file"] for row in found] == [*(f"s3://flights/monday/{i:02}.png" for i in range(11)), "s3://flights/monday/none.png"]
        assert [row["file"][-6:] for row in found if row["problem"]] == ["05.png", "ne.png"]
        written = files.info("flights/results/1/part-000001.parquet")["LastModified"]
        files.rm_file("flights/results/1/part-000002.parquet")
        assert predict(*call) == 1
        files.invalidate_cache()
        assert files.info("flights/results/1/part-000001.parquet")["LastModified"] == written
        assert files.exists("flights/results/1/part-000002.parquet")


@pytest.mark.slow
def test_a_store_that_does_not_answer_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows of problems would count as finished."""
    (tmp_path / "list.txt").write_text("http://127.0.0.1:9/a.png\n" * 3)
    assert predict(tmp_path / "list.txt", "--crop", "centre", "--out", tmp_path / "out") == 1
    assert "error: the photo cannot be read" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("part-*"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "results.csv"], "--out names a folder"),
        (["--out", "https://example.org/results"], "results cannot be written to https://"),
        (["--out", "ftp://example.org/results"], "--out: ftp:// is not read"),
        (["--out", "out", "--format", "json"], "--out takes --format parquet or csv"),
        (["--out", "out", "--url", "http://localhost"], "leave out --url"),
        (["--out", "out", "--workers", "2"], "--workers works only with --engine ray"),
        (["--out", "out", "--block", "0"], "0 is below 1"),
        (["--engine", "ray"], "works only with --out RESULTS"),
        (["--format", "parquet"], "works only with --out RESULTS"),
        (["--block", "4"], "--block works only with --out RESULTS"),
        (["--retry"], "--retry is of --out RESULTS"),
        (["none/*.jpg", "--out", "out"], "holds no photos"),
        (["none/*.jpg"], "patterns and addresses are read with --out RESULTS"),
    ],
)
def test_wrong_calls(photos: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in refused(capsys, photos / "00.png", *arguments)
