"""Both loops on a few drawn images, and how their curves are read."""

import json
import sys

import pytest

from benchmarks import training
from benchmarks.training import Side
from tests import drawn

ENDLESS = """
import sys, time
with open(sys.argv[1], "w") as out:
    print("epoch,seconds,validation_accuracy", file=out, flush=True)
    for epoch in range(1, 10**6):
        print(f"{epoch},1.5,0.5", file=out, flush=True)
        time.sleep(0.05)
"""


@pytest.fixture
def measure(tmp_path):
    """The command on 3 × 12 drawn images, with a recipe of two epochs."""
    (tmp_path / "two.toml").write_text('network = "lenet"\nepochs = 2\nbatch_size = 8\n')
    folder = drawn.folder(tmp_path / "data")
    out = str(tmp_path / "out" / "speed.json")
    given = ["--data", str(folder), "--recipe", str(tmp_path / "two.toml"), "--device", "cpu", "--out", out]
    return lambda *options: training.main([*given, *options])


@pytest.mark.slow
def test_both_loops_are_measured(measure, tmp_path, capsys):
    assert measure("--rates", "1e-3", "--max-epochs", "1", "--until", "0", "1.5") == 0
    found = json.loads((tmp_path / "out" / "speed.json").read_text())
    ours, plain = found["sides"].values()
    assert list(found["sides"]) == ["ours, two", "plain, Adam 0.001"]
    assert [len(ours["curve"]), len(plain["curve"])] == [2, 1]
    (first_s, _), (second_s, _) = ours["curve"]
    assert 0 < first_s < second_s  # from the start, not of each epoch
    images = found["images"]["validation"]
    assert all(accuracy == round(round(accuracy * images) / images, 4) for _, accuracy in ours["curve"] + plain["curve"])
    assert plain["reached"] == {"0": {"seconds": plain["curve"][0][0], "epochs": 1}, "1.5": None}
    assert found["ratio"]["0"]["times"] == pytest.approx(plain["curve"][0][0] / ours["curve"][0][0], abs=0.01)
    assert found["ratio"]["1.5"] is None
    assert found["machine"]["torch"]
    assert found["decode_seconds"] >= 0
    assert str(tmp_path) not in (tmp_path / "out" / "speed.json").read_text()
    assert (tmp_path / "out" / "speed.md").read_text() == capsys.readouterr().out


def test_a_recipe_that_starts_from_trained_weights_is_no_match(measure, capsys):
    assert measure("--recipe", "seedlings-2") == 1
    assert "starts from trained weights" in capsys.readouterr().err


def test_a_loop_is_ended_at_its_limit(tmp_path):
    side = training.follow("endless", [sys.executable, "-c", ENDLESS, str(tmp_path / "curve.csv")], tmp_path / "curve.csv", limit_s=4)
    assert side.seconds >= 4
    assert side.curve[:2] == [(1.5, 0.5), (3.0, 0.5)]


@pytest.mark.parametrize("script", ["raise SystemExit('no room')", "print('no room')"])
def test_a_loop_that_fails_says_why(tmp_path, script):
    with pytest.raises(RuntimeError, match="plain failed: no room"):
        training.follow("plain", [sys.executable, "-c", script], tmp_path / "none.csv", limit_s=60)


def test_the_fastest_plain_loop_counts():
    ours = Side("ours", [(10, 0.5), (20, 0.8999999), (30, 0.89)])
    slow, quick, never = Side("slow", [(100, 0.95)]), Side("quick", [(50, 0.7), (60, 0.9)]), Side("never", [(40, 0.1)])
    assert ours.reached(0.9) == (20, 2)
    assert never.reached(0.9) is None
    assert training.ratio(ours, [slow, quick, never], 0.9) == {"times": 3.0, "at_least": False}
    assert training.ratio(ours, [never], 0.9) == {"times": 2.0, "at_least": True}
    assert training.ratio(never, [quick], 0.9) is None
    text = training.table([ours, quick, never], [0.9])
    assert "| to 90% | 20 s, 2 epochs | 60 s, 2 epochs | not reached in 40 s | 3.0 |" in text
