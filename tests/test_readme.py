"""The README holds what a newcomer needs, and no more."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_has_the_way_from_photos_to_a_model() -> None:
    commands = re.findall(r"python -m training (data check|fit|evaluate|export)\b", README)
    assert list(dict.fromkeys(commands)) == ["data check", "fit", "evaluate", "export"]
