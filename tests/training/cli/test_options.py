"""Old names work, and say the new ones; what another command does is said."""

from pathlib import Path

import pytest

from training import recipe
from training.__main__ import parser
from training.cli.fit import as_segmenter

EVALUATE = ["evaluate", "--run", "runs/mine", "--data", "photos", "--split", "test"]


@pytest.mark.parametrize(
    ("old", "new", "key", "value"),
    [(["--views", "8"], ["--tta", "8"], "tta", 8), (["--grounds"], ["--backgrounds"], "backgrounds", True)],
)
def test_an_old_option_does_what_the_new_one_does(old, new, key, value, capsys):
    assert getattr(parser().parse_args([*EVALUATE, *new]), key) == value
    assert capsys.readouterr().err == ""
    assert getattr(parser().parse_args([*EVALUATE, *old]), key) == value
    assert capsys.readouterr().err == f"{old[0]} is called {new[0]} now; the old name will not work in the next release\n"


def test_the_old_command_takes_the_same_options():
    old, new = (vars(parser().parse_args([name, "--data", "photos"])) for name in ("pace", "throughput"))
    assert old | {"command": "throughput"} == new


def test_old_names_are_not_in_the_help(capsys):
    for words in (["--help"], ["evaluate", "--help"]):
        with pytest.raises(SystemExit):
            parser().parse_args(words)
    printed = capsys.readouterr().out
    assert "--tta" in printed
    assert "throughput" in printed
    assert not [old for old in ("--views", "--grounds", "pace") if old in printed]


@pytest.mark.parametrize("recipe", [["--recipe", "segmenter"], ["--recipe=segmenter"]])
def test_the_recipe_segmenter_is_a_command_of_its_own(recipe):
    words = ["--masks", "photos", "more", "--data", "c", "--out", "d"]
    for asked in (["fit", *recipe, *words], ["fit", *words, *recipe]):
        assert as_segmenter(asked) == ["photo-segmenter", "fit", *words]
        assert parser().parse_args(as_segmenter(asked)).masks == [Path("photos"), Path("more")]


@pytest.mark.parametrize("asked", ["", "--help", "fit --recipe segmenter.toml", "fit --recipe", "data --recipe segmenter"])
def test_all_else_stays_as_it_was_typed(asked):
    assert as_segmenter(asked.split()) == asked.split()


def test_fit_says_what_masks_are_for(capsys):
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(["fit", "--masks", "a", "b", "--data", "c", "--run", "d"])
    told = capsys.readouterr().err
    assert "masks are for '--recipe segmenter'" in told
    assert "--masks" not in told.partition("error:")[0]


def test_the_old_schedule_is_the_new_one(tmp_path, capsys):
    file = tmp_path / "old.toml"
    file.write_text('network = "lenet"\nepochs = 2\n[schedule]\nname = "one-cycle"\n[augment]\nground = 0.25\n')
    assert recipe.load(str(file)).schedule.name == "warmup-cosine"
    told = capsys.readouterr().err
    assert "schedule.name = 'one-cycle' is called 'warmup-cosine' now" in told
    assert "augment.ground is called augment.background now" in told
    assert recipe.load("seedlings").schedule.name == "warmup-cosine"
    assert capsys.readouterr().err == ""
