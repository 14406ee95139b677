"""What the README says can be run is there to be run."""

import re
from pathlib import Path

import pytest

from training import recipe
from training.__main__ import parser

README = (Path(__file__).parents[1] / "README.md").read_text()
COMMANDS = re.findall(r"python -m training ((?:data check|fit|evaluate|export)[^#`\n]*)", README)


def test_there_are_commands():
    assert {command.split()[0] for command in COMMANDS} == {"data", "fit", "evaluate", "export"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_training_command_parses(command):
    options = parser().parse_args(command.split())
    if recipe_name := getattr(options, "recipe", None):
        assert recipe.load(recipe_name)


def test_make_targets_exist():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for target in re.findall(r"(?:`|\$ )make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (Path(__file__).parents[1] / link).exists(), link
