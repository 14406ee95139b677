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


FIT = ["photo-segmenter", "fit", "--data", "photos", "--out", "mine.pt"]
CLUMPS = ["photo-segmenter", "clumps", "--data", "photos", "--out", "both.pt", "--weights", "mine.pt"]
SEGMENTER = ["segmenter", "--data", "photos", "--out", "mine.pt"]


@pytest.mark.parametrize(
    ("command", "option", "values", "words"),
    [
        (FIT, "--learning-rate", ["nan", "inf", "-1", "0", "much"], "is no number above 0"),
        (FIT, "--steps", ["0", "-3", "1.5", "9" * 5000], "is no whole number from 1 on"),
        (FIT, "--batch-size", ["0", "-1"], "is no whole number from 1 on"),
        (FIT, "--seed", [str(10**30), "-1", "x"], "is no whole number from 0 to 4294967295"),
        (CLUMPS, "--pictures", ["0", "-8"], "is no whole number from 1 on"),
        (CLUMPS, "--epochs", ["0"], "is no whole number from 1 on"),
        (CLUMPS, "--seed", ["-1"], "is no whole number from 0 to 4294967295"),
        (SEGMENTER, "--steps", ["0"], "is no whole number from 1 on"),
        (SEGMENTER, "--seed", [str(2**32)], "is no whole number from 0 to 4294967295"),
    ],
)
def test_a_number_that_cannot_be_is_refused_before_photos_are_read(command, option, values, words, capsys):
    for value in values:
        with pytest.raises(SystemExit):
            parser().parse_args([*command, f"{option}={value}"])
        said = capsys.readouterr().err.splitlines()[-1]
        assert words in said
        assert len(said) < 200


def test_numbers_that_can_be_are_taken():
    found = parser().parse_args([*FIT, "--learning-rate", "1e-3", "--steps", "1", "--batch-size", "1", "--seed", str(2**32 - 1)])
    assert (found.learning_rate, found.steps, found.batch_size, found.seed) == (1e-3, 1, 1, 2**32 - 1)
