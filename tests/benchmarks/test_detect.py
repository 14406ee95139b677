"""The drawn photos, what is measured on real servers, and how it is read."""

import json

import numpy as np
import pytest
from scipy import ndimage

from benchmarks import detect, images

LOAD = "12mp-20-plants/closed-1"


def rounds(*per_s: float, p50_ms: float = 100, plants: int = 20, errors: int = 0) -> detect.Rounds:
    load = {"p50_ms": p50_ms, "p99_ms": 2 * p50_ms, "cpu_ms": 3 * p50_ms, "plants": plants, "errors": errors}
    return [{LOAD: load | {"per_s": one, "plants_per_s": one * plants}, "memory_mib": 500.0} for one in per_s]


@pytest.mark.parametrize("plants", [1, 5, 20])
def test_as_many_plants_are_drawn_as_asked_for(plants):
    red, green, blue = np.asarray(images.field(800, 600, plants, np.random.default_rng(plants)), np.int16).transpose(2, 0, 1)
    parts, _ = ndimage.label(ndimage.binary_dilation((green > red + 15) & (green > blue + 15), iterations=3))
    assert np.count_nonzero(np.bincount(parts.ravel())[1:] > 200) == plants


def test_ratios_are_of_medians():
    text = detect.table({"ours": rounds(3, 1, 2), "opencv": rounds(8, 4, 5, plants=25, p50_ms=50, errors=3)})
    assert text.splitlines()[2:] == [
        "| 12mp-20-plants/closed-1 | 2.00 photos/s, 40.0 plants/s (20 a photo), 100, 200 ms, 300 of processors"
        " | 5.00 photos/s, 125.0 plants/s (25 a photo), 50, 100 ms, 150 of processors (ours 0.40 times), 3 errors |",
        "| memory | 500 MiB | 500 MiB |",
    ]


@pytest.mark.parametrize(("p50_ms", "plants", "holds"), [(700, 20, True), (701, 20, False), (500, 0, True)])
def test_an_answer_may_take_half_a_second_and_10_ms_for_each_plant(p50_ms, plants, holds):
    (one,) = detect.requirements({"ours": rounds(1, p50_ms=p50_ms, plants=plants)})
    assert one.holds is holds


def test_a_server_that_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(SystemExit, match="no server 'opencv'; there are 'ours', 'opencv, full size', 'opencv, half size'"):
        detect.main(["--photos", "1mp-5-plants", "--only", "opencv"])


@pytest.mark.slow
@pytest.mark.parametrize("server", ["ours", "opencv, full size", "opencv, half size"])
def test_a_server_is_measured(server, tmp_path, capsys):
    if server != "ours":
        pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'seedlings[bench]'")
    out = tmp_path / "out" / "detect.json"
    detect.main(["--photos", "1mp-5-plants", "--only", server, "--seconds", "0.2", "--rounds", "1", "--out", str(out)])
    (found,) = json.loads(out.read_text())["servers"][server]
    for clients in detect.CLIENTS:
        load = found[f"1mp-5-plants/closed-{clients}"]
        assert load["errors"] == 0
        assert 4 <= load["plants"] <= 6
        assert load["plants_per_s"] == pytest.approx(load["per_s"] * load["plants"], abs=0.01)
        assert load["per_s"] > 0
        assert load["cpu_ms"] > 5
    assert found["memory_mib"] > 100
    assert out.with_suffix(".md").read_text() in capsys.readouterr().out
